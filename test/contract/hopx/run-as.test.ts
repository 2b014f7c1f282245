import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readStat } from "../../../src/engine/process/proc.ts";
import { findUser, type RunUser } from "../../../src/engine/user.ts";
import { cli, MAIN, placedIn, ServeProcess } from "../../support/cli.ts";
import { TEST_API_KEY, TEST_SECRET, TestDaemon, type Answer } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

setDefaultTimeout(60_000);

const IS_ROOT = process.getuid?.() === 0;
/** Programs of the machine, which every user can reach; the tester's own may be in a private directory. */
const PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
const has = (program: string) => Bun.which(program, { PATH }) !== null;
const CAN_ADD_USERS = IS_ROOT && ["useradd", "userdel", "groupadd", "groupdel", "setpriv"].every(has);
const NAME = `sdltest${process.pid}`;
const GROUPS = [`${NAME}a`, `${NAME}b`] as const;

/** A daemon that runs code as another user, in directories that this user can reach. */
class RunAsDaemon implements AsyncDisposable {
  private constructor(
    readonly daemon: TestDaemon,
    readonly user: RunUser,
    readonly root: string,
  ) {}

  static async start(
    wanted: string,
    env: Readonly<Record<string, string>> = {},
    command?: readonly string[],
  ): Promise<RunAsDaemon> {
    const root = await reachableDirectory();
    const daemon = await TestDaemon.start({
      ...(command === undefined ? {} : { command }),
      env: {
        PATH,
        ...placedIn(root),
        TMPDIR: await temporaryIn(root),
        SANDERLING_RUN_AS: wanted,
        SANDERLING_KILL_GRACE_MS: "200",
        ...env,
      },
    });
    return new RunAsDaemon(daemon, findUser(wanted), root);
  }

  get workspace(): string {
    return join(this.root, "workspace");
  }

  /** What a command printed, and how it ended. */
  async sh(command: string, more: object = {}): Promise<Answer> {
    const request = { command: "sh", args: ["-c", command], ...more };
    return (await this.daemon.post("/commands/run", request)).body;
  }

  /** What a command printed that must succeed. */
  async printed(command: string): Promise<string> {
    const { stdout, stderr, exit_code } = await this.sh(command);
    expect([exit_code, stderr]).toEqual([0, ""]);
    return stdout.trim();
  }

  async code(language: string, code: string): Promise<Answer> {
    const request = { language, code, workdir: this.workspace };
    return (await this.daemon.post("/execute", request)).body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    await rm(this.root, { recursive: true, force: true });
  }
}

async function reachableDirectory(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "sanderling-run-as-"));
  await chmod(root, 0o755);
  return root;
}

/** As /tmp is: everybody's, but not to remove what is another's. */
async function temporaryIn(root: string): Promise<string> {
  const path = join(root, "temporary");
  await mkdir(path);
  await chmod(path, 0o1777);
  return path;
}

async function must(...command: string[]): Promise<void> {
  const { code, stderr } = await cli([], { command });
  if (code !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

async function addUser(): Promise<void> {
  for (const group of GROUPS) await must("groupadd", group);
  await must(
    "useradd",
    "--no-create-home",
    "--shell",
    "/bin/sh",
    "--user-group",
    "--groups",
    GROUPS.join(),
    NAME,
  );
}

async function removeUser(): Promise<void> {
  await cli([], { command: ["userdel", NAME] });
  for (const group of [NAME, ...GROUPS]) await cli([], { command: ["groupdel", group] });
}

beforeAll(async () => {
  if (CAN_ADD_USERS) await addUser();
});
afterAll(async () => {
  if (CAN_ADD_USERS) await removeUser();
});

const USERS: readonly (readonly [string, string, boolean])[] = [
  ["nobody", "nobody", IS_ROOT],
  ["a user with further groups", NAME, CAN_ADD_USERS],
];

describe.each(USERS)("run as %s (needs root)", (_, wanted, isPossible) => {
  let as: RunAsDaemon;
  beforeAll(async () => {
    if (isPossible) as = await RunAsDaemon.start(wanted);
  });
  afterAll(async () => {
    if (isPossible) await as[Symbol.asyncDispose]();
  });
  const it = test.skipIf(!isPossible);

  it("code has the user's identity and no group but the user's", async () => {
    const { uid, gid, groups } = as.user;
    expect(groups).toHaveLength(wanted === NAME ? 3 : 1);
    expect(await as.printed("id -u; id -ru; id -g; id -rg")).toBe([uid, uid, gid, gid].join("\n"));
    const numbers = (await as.printed("id -G")).split(" ").map(Number);
    expect(numbers.toSorted()).toEqual(groups.toSorted());
    expect(numbers).not.toContain(0);
    // Real, effective, saved and file system ids: none is left to go back to.
    const status = await as.printed("grep -E '^(Uid|Gid|Groups|CapEff|CapPrm):' /proc/self/status");
    const field = (name: string) =>
      new RegExp(`^${name}:\\s*(.*?)\\s*$`, "m").exec(status)?.[1]?.split(/\s+/);
    expect(field("Uid")).toEqual(Array(4).fill(String(uid)));
    expect(field("Gid")).toEqual(Array(4).fill(String(gid)));
    expect([field("CapEff"), field("CapPrm")]).toEqual([["0000000000000000"], ["0000000000000000"]]);
  });

  it("HOME, USER, LOGNAME and SHELL are the user's", async () => {
    const { home, name, shell } = as.user;
    const printed = await as.printed('echo "$HOME"; echo "$USER"; echo "$LOGNAME"; echo "$SHELL"');
    expect(printed).toBe([home, name, name, shell].join("\n"));
  });

  it("the workspace was made for the user, and files that code makes there are the user's", async () => {
    const { uid, gid } = as.user;
    const place = await stat(as.workspace);
    expect([place.uid, place.gid]).toEqual([uid, gid]);
    expect(await as.printed("pwd")).toBe(as.workspace);
    await as.printed("mkdir -p made && echo text > made/by-a-command");
    const code = await as.code("python", "open('by-python', 'w').write('text')");
    expect([code.exit_code, code.stderr]).toEqual([0, ""]);
    for (const name of ["made", "made/by-a-command", "by-python"]) {
      const file = await stat(join(as.workspace, name));
      expect([name, file.uid, file.gid]).toEqual([name, uid, gid]);
    }
  });

  it("a workspace that was removed is made again for the user", async () => {
    await rm(as.workspace, { recursive: true });
    await as.printed("echo text > again");
    expect((await stat(as.workspace)).uid).toBe(as.user.uid);
  });

  const PROGRAMS = [
    ["python", "python3", "import os; print(os.getuid())"],
    ["bash", "bash", "echo $UID"],
    ["javascript", "node", "console.log(process.getuid())"],
    ["typescript", "node", "const id: number = process.getuid!(); console.log(id)"],
  ] as const;
  for (const [language, program, code] of PROGRAMS) {
    test.skipIf(!isPossible || !has(program))(`${language} runs as the user`, async () => {
      const answer = await as.code(language, code);
      expect([answer.stderr, answer.stdout]).toEqual(["", `${as.user.uid}\n`]);
    });
  }

  it("Bash code too long for an argument runs as well", async () => {
    const { stdout, stderr } = await as.code("bash", `: ${"x".repeat(200_000)}\nid -u`);
    expect([stderr, stdout]).toEqual(["", `${as.user.uid}\n`]);
  });

  it("code reads and changes nothing of the daemon's data", async () => {
    const data = join(as.root, "data");
    // Runs may write variables for later runs in the first.
    expect(await as.printed(`ls ${data}`)).toBe("environment\nprivate");
    for (const command of [
      `cat ${data}/private/jwt-secret ${data}/private/sandbox-id`,
      `ls ${data}/private`,
      `ls ${data}/private/journals`,
      `echo x > ${data}/mine`,
      `mv ${data} ${as.root}/gone`,
      `ln -s /etc/passwd ${data}/private/api-key`,
    ]) {
      const { exit_code, stdout } = await as.sh(command);
      expect([command, exit_code === 0, stdout]).toEqual([command, false, ""]);
    }
  });

  it("code neither lists nor changes the files of other runs", async () => {
    const scratch = (await readdir(join(as.root, "temporary"))).filter((name) =>
      name.startsWith("sanderling-"),
    );
    expect(scratch).toHaveLength(1);
    const place = join(as.root, "temporary", scratch[0] ?? "");
    for (const command of [
      `ls ${place}`,
      `echo x > ${place}/x`,
      `rm -r ${place}`,
      `echo x >> ${place}/runtimes/python/main.py`,
    ]) {
      const { exit_code, stdout } = await as.sh(command);
      expect([command, exit_code === 0, stdout]).toEqual([command, false, ""]);
    }
  });

  it("code reads neither the daemon's environment and memory nor its files, and cannot signal it", async () => {
    const { pid } = as.daemon.child;
    for (const command of [
      `cat /proc/${pid}/environ`,
      `head -c1 /proc/${pid}/mem`,
      `ls /proc/${pid}/fd/`,
      `cat /proc/${pid}/maps`,
      `kill -0 ${pid}`,
    ]) {
      const { exit_code, stdout } = await as.sh(command);
      expect([command, exit_code === 0, stdout]).toEqual([command, false, ""]);
    }
  });

  it("the environment of code has no setting but the run's own id, and no secret", async () => {
    const command = await as.sh(
      "env; tr '\\0' '\\n' < /proc/self/environ; tr '\\0' '\\n' < /proc/$PPID/environ",
    );
    const code = await as.code(
      "python",
      "import os\nfor name, value in os.environ.items(): print(f'{name}={value}')",
    );
    expect(code.exit_code).toBe(0);
    for (const { stdout } of [command, code]) {
      const settings = stdout.match(/^SANDERLING_\w+/gm) ?? [];
      expect([...new Set(settings)]).toEqual(["SANDERLING_RUN_ID"]);
      for (const secret of [TEST_SECRET, TEST_API_KEY, as.daemon.token]) expect(stdout).not.toContain(secret);
    }
  });

  it("no process on the machine shows a secret in its arguments", async () => {
    const shown = await as.sh("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '");
    expect(shown.stdout).toContain("sh -c");
    for (const secret of [TEST_SECRET, TEST_API_KEY, as.daemon.token])
      expect(shown.stdout).not.toContain(secret);
  });

  it("no descriptor of the daemon is open in a run", async () => {
    // One for the directory that is listed.
    const count = await as.printed("ls /proc/self/fd | wc -l");
    expect(Number(count)).toBe(4);
  });

  it("a timeout ends the whole tree, also what left its session", async () => {
    const script = "setsid sleep 600 & sleep 600 & echo $$ $! > pids; wait";
    const { end, exit_code } = await as.sh(script, { timeout: 1, env: { MARK: "tree" } });
    expect([end.cause, exit_code]).toEqual(["timed_out", 124]);
    const pids = (await Bun.file(join(as.workspace, "pids")).text()).trim().split(" ").map(Number);
    expect(pids).toHaveLength(2);
    for (const pid of pids) await until(() => readStat(pid) === undefined || readStat(pid)?.state === "Z");
    expect(await as.printed(`ps -u ${as.user.uid} -o args= | grep -c '^sleep 600' || true`)).toBe("0");
  });

  it("a program that ignores SIGTERM is killed", async () => {
    const { end } = await as.sh("trap '' TERM; while :; do sleep 600; done", { timeout: 1 });
    expect(end.cause).toBe("timed_out");
    expect(await as.printed(`ps -u ${as.user.uid} -o args= | grep -c '^sleep 600' || true`)).toBe("0");
  });

  it("limits hold", async () => {
    const files = await as.sh("ulimit -n; ulimit -Hn; id -u", { limits: { open_files: 64 } });
    expect([files.stderr, files.stdout]).toEqual(["", `64\n64\n${as.user.uid}\n`]);
    const output = await as.sh("yes", { limits: { output_bytes: 65_536 }, timeout: 30 });
    expect(output.exit_code).not.toBe(0);
    expect(output.end.cause).not.toBe("timed_out");
  });

  it("processes are limited where the machine can, and told where not", async () => {
    const limits = { processes: 8 };
    const { status, body } = await as.daemon.post("/commands/run", {
      command: "sh",
      args: ["-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 600 & done; echo all"],
      timeout: 10,
      limits,
    });
    if (status === 400) expect(body.error).toContain("Cannot enforce the limit processes");
    else expect([body.stdout, body.exit_code === 0]).toEqual(["", false]);
  });

  it("a program that is missing or may not be used by the user is told as such", async () => {
    const missing = await as.daemon.post("/commands/run", { command: "no-such-program", args: ["x"] });
    expect(missing.body.exit_code).toBe(127);
    const file = join(as.root, "private-program");
    await writeFile(file, "#!/bin/sh\n", { mode: 0o700 });
    const denied = await as.daemon.post("/commands/run", { command: file, args: ["x"] });
    // 126 where the kernel is asked; where a helper switches the user, the helper's own code and words.
    expect(denied.body.exit_code).not.toBe(0);
    expect(denied.body.stderr).toMatch(/cannot be executed|[Pp]ermission denied/);
  });

  it("stdin reaches it", async () => {
    expect((await as.sh("cat; id -u", { stdin: "typed\n" })).stdout).toBe(`typed\n${as.user.uid}\n`);
  });
});

describe("run as (needs root)", () => {
  const it = test.skipIf(!IS_ROOT);

  it("takes a user and a group by number", async () => {
    await using as = await RunAsDaemon.start("nobody");
    await using other = await RunAsDaemon.start("12345:23456");
    expect(await other.printed("id -u; id -g; id -G; echo $HOME")).toBe("12345\n23456\n23456\n/");
    expect((await stat(other.workspace)).uid).toBe(12_345);
    // One sandbox's code cannot write another's workspace.
    expect((await other.sh(`echo x > ${as.workspace}/x`)).exit_code).not.toBe(0);
  });

  it("works when the daemon was started with a mask that closes what it makes", async () => {
    const command = ["sh", "-c", 'umask 077 && exec "$@"', "sh", ...MAIN];
    await using as = await RunAsDaemon.start("nobody", {}, command);
    for (const [language, code] of [
      ["python", "print(1)"],
      ["javascript", "console.log(1)"],
    ] as const) {
      const { stdout, stderr } = await as.code(language, code);
      expect([language, stderr, stdout]).toEqual([language, "", "1\n"]);
    }
  });

  it("can pass through a data directory that was made under such a mask, to the Python in it", async () => {
    const command = ["sh", "-c", 'umask 077 && exec "$@"', "sh", ...MAIN];
    await using as = await RunAsDaemon.start("nobody", {}, command);
    expect(await as.printed(`test -x ${as.root}/data && echo passable`)).toBe("passable");
  });

  it("passes over an interpreter that the user cannot execute", async () => {
    const place = await reachableDirectory();
    await mkdir(join(place, "own"), { mode: 0o700 });
    await writeFile(join(place, "own/python3"), "#!/bin/sh\nexit 9\n", { mode: 0o755 });
    await using as = await RunAsDaemon.start("nobody", { PATH: `${place}/own:${PATH}` });
    const { stdout, stderr } = await as.code("python", "print(1)");
    expect([stderr, stdout]).toEqual(["", "1\n"]);
    await rm(place, { recursive: true });
  });

  it("leaves a workspace that was there to its owner, and tells the user's code so", async () => {
    const root = await reachableDirectory();
    await mkdir(join(root, "workspace"), { mode: 0o755 });
    await using as = await RunAsDaemon.start("nobody", { SANDERLING_WORKSPACE: join(root, "workspace") });
    const { stderr, exit_code } = await as.sh("echo x > file");
    expect([exit_code === 0, stderr.includes("ermission denied")]).toEqual([false, true]);
    expect((await stat(join(root, "workspace"))).uid).toBe(0);
    await rm(root, { recursive: true });
  });

  test.skipIf(!IS_ROOT)("a link that code plants opens no file of root's to the file routes", async () => {
    await using as = await RunAsDaemon.start("nobody");
    const closed = join(as.root, "closed");
    await mkdir(closed);
    await writeFile(join(closed, "file"), "confidential");
    await chmod(closed, 0o700);
    await as.daemon.post("/commands/run", { command: `ln -s ${closed}/file link` });
    const response = await as.daemon.fetch("/files/read?path=link");
    expect([response.status, (await response.text()).includes("confidential")]).toEqual([403, false]);
  });

  test.skipIf(!IS_ROOT)(
    "a working directory opens no way past a directory that is closed to the user",
    async () => {
      await using as = await RunAsDaemon.start("nobody");
      const closed = join(as.root, "closed");
      await mkdir(join(closed, "inside"), { recursive: true });
      await writeFile(join(closed, "inside/file"), "confidential");
      await chmod(closed, 0o700);
      const { body } = await as.daemon.post("/commands/run", {
        command: "cat",
        args: ["file"],
        workdir: join(closed, "inside"),
      });
      expect(JSON.stringify(body)).not.toContain("confidential");
    },
  );
});

const AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", ...MAIN];
// A checkout in a private directory cannot be started by another user at all.
const CAN_START_AS_NOBODY =
  IS_ROOT &&
  has("setpriv") &&
  (await cli(["version"], { command: AS_NOBODY, env: { HOME: "/" } })).code === 0;

describe("run as, started by another user than root (needs root and setpriv to try)", () => {
  test.skipIf(!CAN_START_AS_NOBODY)("is refused with a sentence, and nothing is started", async () => {
    const root = await reachableDirectory();
    await chmod(root, 0o777);
    const { code, stdout, stderr } = await cli(["serve", "--json", "--run-as", "daemon"], {
      command: AS_NOBODY,
      env: { ...placedIn(root), HOME: "/" },
    });
    expect(stderr).toBe("Cannot run code as daemon: only a daemon started as root can\n");
    expect([code, stdout]).toEqual([1, ""]);
    await rm(root, { recursive: true });
  });

  test.skipIf(!CAN_START_AS_NOBODY)("works without it, as any user's daemon does", async () => {
    const root = await reachableDirectory();
    await chmod(root, 0o777);
    const serving = await ServeProcess.start(["--json"], {
      command: AS_NOBODY,
      env: { ...placedIn(root), HOME: "/", PATH },
    });
    const token = (await cli(["token"], { env: placedIn(root) })).stdout.trim();
    expect(await serving.statusFor(token)).toBe(200);
    expect(await serving.stop()).toBe(0);
    await rm(root, { recursive: true });
  });

  test.skipIf(!CAN_START_AS_NOBODY)("says what the system does not permit it to change", async () => {
    const root = await reachableDirectory();
    await chmod(root, 0o777);
    await mkdir(join(root, "fixed"));
    await writeFile(join(root, "fixed/file"), "old");
    await using daemon = await TestDaemon.start({
      command: AS_NOBODY,
      env: { ...placedIn(root), HOME: "/", PATH, TMPDIR: await temporaryIn(root) },
    });
    for (const name of ["new", "file"]) {
      const path = join(root, "fixed", name);
      const form = new FormData();
      form.append("path", path);
      form.append("file", new Blob(["x"]), "x");
      const answers = [
        await daemon.fetch("/files/write", { method: "POST", body: JSON.stringify({ path, content: "x" }) }),
        await daemon.fetch("/files/upload", { method: "POST", body: form }),
      ];
      for (const answer of answers)
        expect([answer.status, await answer.json()]).toEqual([
          403,
          expect.objectContaining({
            code: "FORBIDDEN",
            message: `Cannot write to ${path}: permission denied`,
            path,
            details: { path, reason: "EACCES" },
          }) as object,
        ]);
    }
    const removed = await daemon.fetch(`/files/remove?path=${root}/fixed/file`, { method: "DELETE" });
    expect([removed.status, ((await removed.json()) as Answer).message]).toEqual([
      403,
      `Cannot remove ${root}/fixed/file: permission denied`,
    ]);
    const made = await daemon.post("/files/mkdir", { path: join(root, "fixed/a/b") });
    expect([made.status, made.body.message]).toEqual([
      403,
      `Cannot create ${root}/fixed/a/b: permission denied`,
    ]);
    expect(await Bun.file(join(root, "fixed/file")).text()).toBe("old");
    await daemon.stop();
    await rm(root, { recursive: true });
  });
});
