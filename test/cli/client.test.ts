import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory, type TemporaryDirectory } from "../setup/support.ts";
import { MAIN } from "../support/cli.ts";
import { TEST_SECRET, TestDaemon } from "../support/daemon.ts";
import { until } from "../support/engine.ts";

let daemon: TestDaemon;
let here: TemporaryDirectory;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  here = temporaryDirectory();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await here[Symbol.asyncDispose]();
});

/** Starts the command line as somebody who has a token would. */
function start(args: readonly string[], stdin: string | Uint8Array = "", env: Record<string, string> = {}) {
  return Bun.spawn([...MAIN, ...args], {
    cwd: here.path,
    env: { ...process.env, SANDERLING_URL: daemon.url, SANDERLING_TOKEN: daemon.token, ...env },
    stdin: Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
}

async function run(args: readonly string[], stdin?: string | Uint8Array, env?: Record<string, string>) {
  const child = start(args, stdin, env);
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, stdout, stderr };
}

describe("run and cmd", () => {
  test("give output, errors and exit code of the program over there", async () => {
    const told = await run(["cmd", "-n", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    expect(told).toEqual({ code: 7, stdout: "out\n", stderr: "err\n" });
    expect(await run(["run", "-"], "print(6 * 7)")).toEqual({ code: 0, stdout: "42\n", stderr: "" });
    await writeFile(join(here.path, "main.sh"), 'echo "$GREETING from $PWD"');
    const script = await run(["run", "main.sh", "-e", "GREETING=hi", "-w", "/tmp"]);
    expect(script.stdout).toBe("hi from /tmp\n");
  });

  test("forward input of any kind, and bytes that are no text", async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const input = Buffer.concat(Array.from({ length: 20 }, () => bytes));
    const child = start(["cmd", "--", "cat"], input);
    const back = await new Response(child.stdout).bytes();
    expect([await child.exited, Buffer.from(back).equals(input)]).toEqual([0, true]);
    expect((await run(["cmd", "wc -w"], "a b c")).stdout.trim()).toBe("3");
  });

  test("write a message a line for programs", async () => {
    const { stdout } = await run(["cmd", "-n", "-o", "json", "--", "echo", "hi"]);
    const messages = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; data?: string });
    expect(messages.map(({ type, data }) => data ?? type)).toEqual(["started", "hi\n", "result", "complete"]);
  });

  test("interrupt the program over there at Ctrl-C", async () => {
    const child = start([
      "cmd",
      "-n",
      "--",
      "sh",
      "-c",
      "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.1; done",
    ]);
    let told = "";
    const reading = (async () => {
      for await (const chunk of child.stdout) told += new TextDecoder().decode(chunk);
    })();
    await until(() => told === "ready\n");
    child.kill("SIGINT");
    expect(await child.exited).toBe(3);
    await reading;
    expect(told).toBe("ready\ncaught\n");
  });

  test("say what is wrong: no token, a wrong one, no daemon, no such program, no such file", async () => {
    const nobody = { SANDERLING_TOKEN: "nonsense" };
    expect(await run(["cmd", "-n", "ls"], "", nobody)).toMatchObject({ code: 1, stdout: "" });
    expect((await run(["ps"], "", nobody)).stderr).toContain("Invalid token: it is no JSON Web Token");
    const nowhere = { SANDERLING_URL: "http://127.0.0.1:1" };
    expect((await run(["ps"], "", nowhere)).stderr).toContain("Cannot reach http://127.0.0.1:1");
    const missing = await run(["cmd", "-n", "--", "no-such-program", "x"]);
    expect(missing.code).toBe(127);
    expect(missing.stderr).toContain("could not start");
    expect((await run(["run", "absent.py"])).stderr).toContain("Cannot read absent.py");
    expect((await run(["run"])).code).toBe(2);
  });

  test("need no token where the daemon's own secret can be read", async () => {
    const env = { ...process.env, SANDERLING_URL: daemon.url, SANDERLING_JWT_SECRET: TEST_SECRET };
    const child = Bun.spawn(
      [...MAIN, "cmd", "-n", "--data-dir", join(daemon.directory, "data"), "--", "echo", "in"],
      { env },
    );
    expect(await new Response(child.stdout).text()).toBe("in\n");
  });
});

test("ps, logs and kill work on background processes", async () => {
  const { body } = await daemon.post("/commands/background", {
    command: "echo begun; echo bad >&2; sleep 600",
  });
  const id = String(body["process_id"]);
  await until(async () => (await run(["logs", id])).stdout === "begun\n");
  expect((await run(["logs", id])).stderr).toBe("bad\n");
  expect((await run(["ps"])).stdout).toMatch(new RegExp(`^${id} +running `, "m"));
  const following = run(["logs", "-f", id]);
  expect((await run(["kill", id])).code).toBe(0);
  expect((await following).stdout).toBe("begun\n");
  const [listed] = JSON.parse((await run(["ps", "-o", "json"])).stdout) as { status: string }[];
  expect(listed?.status).toBe("killed");
});

test("env sets, shows and takes away what later runs get", async () => {
  expect((await run(["env", "set", "FROM_CLI=a b", "OTHER=1"])).code).toBe(0);
  expect((await run(["cmd", "-n", "echo $FROM_CLI"])).stdout).toBe("a b\n");
  expect((await run(["env", "get", "FROM_CLI"])).stdout).toBe("a b\n");
  expect((await run(["env", "unset", "FROM_CLI", "OTHER"])).code).toBe(0);
  expect(await run(["env", "get", "FROM_CLI"])).toMatchObject({ code: 1, stdout: "" });
});

test("cp copies files and directories both ways, links and modes included", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(50_000));
  await mkdir(join(here.path, "tree/below"), { recursive: true });
  await writeFile(join(here.path, "tree/below/file"), bytes, { mode: 0o750 });
  await writeFile(join(here.path, "tree/empty"), "");
  await symlink("below/file", join(here.path, "tree/link"));
  expect(await run(["cp", "tree", ":copied"])).toMatchObject({ code: 0, stderr: "" });
  expect((await run(["cmd", "-n", "stat -c %a copied/below/file; readlink copied/link"])).stdout).toBe(
    "750\nbelow/file\n",
  );
  expect((await run(["cp", ":copied", "back"])).code).toBe(0);
  expect(Buffer.from(bytes).equals(await readFile(join(here.path, "back/below/file")))).toBe(true);
  expect(await readlink(join(here.path, "back/link"))).toBe("below/file");
  expect((await run(["cp", "tree/below/file", ":"])).code).toBe(0);
  expect((await run(["cp", ":file", "again"])).code).toBe(0);
  expect(Buffer.from(bytes).equals(await readFile(join(here.path, "again")))).toBe(true);
  expect((await run(["cp", ":nothing", "x"])).code).toBe(1);
});

test("cp refuses what is no file, has no name, or a name that is no text, and says so", async () => {
  await run([
    "cmd",
    "-n",
    `mkdir -p ${here.path}/odd; mkfifo ${here.path}/pipe; touch ${here.path}/odd/$(printf '\\377')`,
  ]);
  const words: readonly [string, string][] = [
    ["/dev/zero", "neither a file nor a directory"],
    ["pipe", "neither a file nor a directory"],
    ["", "one of the two paths is empty"],
    ["odd", "its name is not UTF-8"],
  ];
  for (const [from, why] of words)
    expect(await run(["cp", from, ":refused"])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(why) as string,
    });
});

test("cp shows how far it is on a terminal", async () => {
  await writeFile(join(here.path, "large"), new Uint8Array(3 * 1024 * 1024));
  const env = { ...process.env, SANDERLING_URL: daemon.url, SANDERLING_TOKEN: daemon.token };
  for (const [from, to] of [
    ["large", ":shown"],
    [":shown", "back-again"],
  ] as const) {
    let told = "";
    const child = Bun.spawn([...MAIN, "cp", from, to], {
      cwd: here.path,
      env,
      terminal: { cols: 90, rows: 20, data: (_, bytes) => void (told += new TextDecoder().decode(bytes)) },
    });
    expect(await child.exited).toBe(0);
    await until(() => told.endsWith("\n"));
    expect(told).toContain(`[${"#".repeat(24)}] 100%  3.0 MiB of 3.0 MiB\r\n`);
  }
});

test("watch prints what changes", async () => {
  const child = start(["watch", daemon.workspace]);
  let told = "";
  const reading = Promise.all([
    (async () => {
      for await (const chunk of child.stdout) told += new TextDecoder().decode(chunk);
    })(),
    (async () => {
      for await (const chunk of child.stderr) told += new TextDecoder().decode(chunk);
    })(),
  ]);
  await until(() => told.startsWith("Watching"));
  await writeFile(join(daemon.workspace, "watched"), "x");
  await until(() => told.includes("modified"));
  child.kill("SIGINT");
  expect(await child.exited).toBe(0);
  await reading;
  expect(told).toContain(`created   ${daemon.workspace}/watched\n`);
});

test("shell is a terminal that takes input, is resized, and restores this one", async () => {
  let told = "";
  const env = { ...process.env, SANDERLING_URL: daemon.url, SANDERLING_TOKEN: daemon.token, TERM: "xterm" };
  const child = Bun.spawn(
    ["sh", "-c", 'stty -g > before; "$@"; code=$?; stty -g > after; exit $code', "sh", ...MAIN, "shell"],
    {
      cwd: here.path,
      env,
      terminal: { cols: 90, rows: 20, data: (_, bytes) => void (told += new TextDecoder().decode(bytes)) },
    },
  );
  await until(() => told.includes("$ ") || told.includes("# "));
  child.terminal?.write("stty size; echo $((40 + 2))\r");
  await until(() => told.includes("20 90\r\n") && told.includes("42\r\n"));
  child.terminal?.resize(100, 30);
  await until(() => {
    child.terminal?.write("stty size\r");
    return told.includes("30 100");
  });
  expect(told).not.toContain("\r\r\n");
  child.terminal?.write("exit 5\r");
  expect(await child.exited).toBe(5);
  const [before, after] = await Promise.all(
    ["before", "after"].map((name) => readFile(join(here.path, name), "utf8")),
  );
  expect(after).toBe(before ?? "");
  expect(await run(["shell"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("needs a terminal") as string,
  });
});

test("completion scripts are good shell, and know every verb", async () => {
  const { stdout } = await run(["completion", "bash"]);
  const probe = `${stdout}\nCOMP_WORDS=(sanderling w); COMP_CWORD=1; _sanderling; echo "\${COMPREPLY[@]}"; COMP_WORDS=(sanderling cp --); COMP_CWORD=2; _sanderling; echo "\${COMPREPLY[@]}"`;
  const bash = Bun.spawn(["bash", "-c", probe], { cwd: here.path });
  const [verbs, options] = (await new Response(bash.stdout).text()).split("\n");
  expect([verbs, options]).toEqual(["watch", "--url --token-file --data-dir --output --help"]);
  for (const shell of ["zsh", "fish"]) expect((await run(["completion", shell])).stdout).toContain("logs");
});
