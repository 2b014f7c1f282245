import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

/** Whether this machine lets bubblewrap work at all is what the capabilities are about; `make test` installs it. */
const isPossible =
  spawnSync("bwrap", ["--ro-bind", "/", "/", "--proc", "/proc", "--unshare-pid", "true"]).status === 0;
const isRoot = process.getuid?.() === 0;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  await chmod(daemon.directory, 0o755);
});
afterAll(() => daemon[Symbol.asyncDispose]());

interface Event {
  readonly type: string;
  readonly text?: string;
  readonly error?: { readonly ename: string; readonly evalue: string };
}
type Body = Readonly<Record<string, unknown>>;

async function call(method: string, path: string, body?: unknown) {
  const response = await daemon.execd(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") ?? false;
  return {
    status: response.status,
    text,
    headers: response.headers,
    body: (isJson ? JSON.parse(text) : {}) as Body,
  };
}

const fresh = () => mkdtemp(join(daemon.workspace, "isolated-"));
const sessionPath = (id: string, rest = "") => `/v1/isolated/session/${id}${rest}`;

async function open(path: string, more: object = {}): Promise<string> {
  const answer = await call("POST", "/v1/isolated/session", { workspace: { path }, ...more });
  expect([answer.text, answer.status]).toEqual([answer.text, 201]);
  return String(answer.body["session_id"]);
}

async function run(id: string, code: string, more: object = {}): Promise<Event[]> {
  const answer = await call("POST", sessionPath(id, "/run"), { code, ...more });
  expect([answer.text, answer.status]).toEqual([answer.text, 200]);
  const frames = answer.text.split("\n\n").filter(Boolean);
  return frames.map((frame) => JSON.parse(/\{.*\}/s.exec(frame)?.[0] ?? "{}") as Event);
}

/** The lines that code printed; fails when it failed. */
async function lines(id: string, code: string, more: object = {}): Promise<string[]> {
  const events = await run(id, code, more);
  expect(events.at(-1)).toMatchObject({ type: "execution_complete" });
  return events.flatMap(({ type, text }) => (type === "stdout" ? [text ?? ""] : []));
}

test("the capabilities are what this machine can really do", async () => {
  const { status, body } = await call("GET", "/v1/isolated/capabilities");
  expect(status).toBe(200);
  expect(body).toMatchObject({ available: isPossible, isolator: "bubblewrap" });
  if (isPossible)
    expect(body["version"]).toBe(spawnSync("bwrap", ["--version"]).stdout.toString().trim().split(" ")[1]);
  else expect(body["message"]).not.toBe("");
  expect(body).toMatchObject({ commit_supported: false, diff_supported: false });
});

test("where bubblewrap is not there, the capabilities say so and sessions are refused", async () => {
  const directory = await mkdtemp(join(daemon.directory, "bin-"));
  await writeFile(join(directory, "bwrap"), "#!/bin/sh\necho no permission >&2; exit 1\n", { mode: 0o755 });
  await using without = await TestDaemon.start({
    env: { PATH: `${directory}:${process.env["PATH"] ?? ""}` },
  });
  const capabilities = await without.execd("/v1/isolated/capabilities");
  expect(await capabilities.json()).toMatchObject({ available: false, message: "no permission" });
  const refused = await without.execd("/v1/isolated/session", {
    method: "POST",
    body: JSON.stringify({ workspace: { path: without.workspace } }),
  });
  expect([refused.status, await refused.json()]).toMatchObject([
    503,
    { code: "SERVICE_UNAVAILABLE", message: expect.stringContaining("isolation unavailable") as string },
  ]);
});

describe.skipIf(!isPossible)("a session", () => {
  test("keeps what code changes, tells output and failures, and is gone when deleted", async () => {
    const id = await open(await fresh());
    expect(await lines(id, "x=1; f() { echo f $x; }; cd /tmp; echo out; echo err >&2")).toEqual([
      "out",
      "err",
    ]);
    expect(await lines(id, "f; pwd")).toEqual(["f 1", "/tmp"]);
    const failed = await run(id, "echo before; (exit 3)");
    expect(failed.map(({ type }) => type)).toEqual(["stdout", "error"]);
    expect(failed.at(-1)?.error).toMatchObject({ ename: "ExitError", evalue: "3" });
    expect(await lines(id, "echo $A$B", { envs: { A: "it's", B: " $x" } })).toEqual(["it's $x"]);
    expect(await lines(id, "echo [$A]")).toEqual(["[]"]);
    expect((await call("GET", sessionPath(id))).body).toMatchObject({
      status: "active",
      profile: "balanced",
    });
    expect((await call("DELETE", sessionPath(id))).status).toBe(200);
    for (const [method, rest] of [
      ["GET", ""],
      ["DELETE", ""],
      ["POST", "/run"],
      ["GET", "/files/info"],
    ] as const) {
      const answer = await call(
        method,
        sessionPath(id, rest),
        method === "POST" ? { code: "true" } : undefined,
      );
      expect([rest, answer.status, answer.body["code"]]).toEqual([rest, 404, "SESSION_NOT_FOUND"]);
    }
  }, 30_000);

  test("sees the machine read-only, its own /tmp and processes, and nothing of the daemon", async () => {
    const workspace = await fresh();
    const outside = await fresh();
    const id = await open(workspace);
    await writeFile(join(daemon.directory, "data/private/secret"), "secret");
    expect(await lines(id, "echo inside > file; cat file; pwd")).toEqual(["inside", workspace]);
    expect(await readFile(join(workspace, "file"), "utf8")).toBe("inside\n");
    for (const code of [
      `echo x > ${outside}/file`,
      "echo x > /etc/sanderling-test",
      "mount -o remount,rw / || mount -t tmpfs tmpfs /mnt",
      `cat ${daemon.directory}/data/private/secret`,
      `grep -q ${daemon.child.pid} <(ls /proc)`,
      `kill -0 ${daemon.child.pid}`,
    ]) {
      const events = await run(id, code);
      expect([code, events.at(-1)?.type]).toEqual([code, "error"]);
    }
    expect(await readdir(outside)).toEqual([]);
    expect(await lines(id, "ls -A /tmp | grep -v '^sanderling' ; true")).toEqual([]);
    expect(await lines(id, "env | grep -ci -e SANDERLING_JWT -e ACCESS_TOKEN; true")).toEqual(["0"]);
    await call("DELETE", sessionPath(id));
  }, 30_000);

  test("has no network where it shares none, and the sandbox's where it does", async () => {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("reached") });
    const code = `exec 9<>/dev/tcp/127.0.0.1/${server.port ?? 0} && echo connected`;
    const strict = await open(await fresh(), { profile: "strict" });
    expect((await run(strict, `(${code})`)).at(-1)?.type).toBe("error");
    const shared = await open(await fresh(), { profile: "strict", share_net: true });
    expect(await lines(shared, `(${code})`)).toEqual(["connected"]);
    for (const id of [strict, shared]) await call("DELETE", sessionPath(id));
    await server.stop(true);
  }, 30_000);

  test("is stopped by a timeout and by a client that leaves, and goes on with what it knew", async () => {
    const id = await open(await fresh());
    await lines(id, "known=yes; sleep 1000 & job=$!");
    const events = await run(id, "echo begun; sleep 1000", { timeout_seconds: 1 });
    expect(events.map(({ type, text }) => text ?? type)).toEqual(["begun", "error"]);
    expect(events.at(-1)?.error?.ename).toBe("RuntimeError");
    expect(await lines(id, "echo $known; kill -0 $job && echo job lives")).toEqual(["yes", "job lives"]);
    const leaving = new AbortController();
    const response = await daemon.execd(sessionPath(id, "/run"), {
      method: "POST",
      body: JSON.stringify({ code: "trap '' INT; echo begun; sleep 1000" }),
      signal: leaving.signal,
    });
    await (response.body as ReadableStream<Uint8Array>).getReader().read();
    leaving.abort();
    expect(await lines(id, "echo $known")).toEqual(["yes"]);
    await call("DELETE", sessionPath(id));
  }, 40_000);

  test("runs code in the background beside other code; its state and logs can be asked for", async () => {
    const workspace = await fresh();
    const id = await open(workspace);
    const code = "x=inner; echo one; until [ -e go ]; do sleep 0.05; done; echo $V >&2; exit 4";
    const started = await call("POST", sessionPath(id, "/run"), {
      code,
      background: true,
      envs: { V: "two" },
    });
    expect(started.status).toBe(202);
    const runPath = sessionPath(id, `/runs/${String(started.body["run_id"])}`);
    expect(await lines(id, "echo beside [$x]")).toEqual(["beside []"]);
    expect((await call("GET", runPath)).body).toMatchObject({ running: true, session_id: id });
    const first = await until(async () => {
      const answer = await call("GET", `${runPath}/logs`);
      return answer.text === "one\n" && answer;
    });
    const cursor = first.headers.get("execd-isolated-tail-cursor");
    expect(cursor).toBe("4");
    await writeFile(join(workspace, "go"), "");
    const state = await until(async () => {
      const { body } = await call("GET", runPath);
      return body["running"] === false && body;
    });
    expect(state).toMatchObject({ exit_code: 4, error: "exit status 4" });
    expect(Date.parse(String(state["finished_at"]))).toBeGreaterThanOrEqual(
      Date.parse(String(state["started_at"])),
    );
    const rest = await call("GET", `${runPath}/logs?cursor=${cursor ?? ""}`);
    expect([rest.text, rest.headers.get("execd-isolated-tail-cursor")]).toEqual(["two\n", "8"]);
    expect((await call("GET", sessionPath(id, "/runs/run_x"))).status).toBe(404);
    await call("DELETE", sessionPath(id));
  }, 30_000);

  test("passes on the variables it is told to", async () => {
    const set = { env_vars: { PASSED: "p", SECRET: "s" } };
    await daemon.fetch("/env", {
      method: "PATCH",
      body: JSON.stringify(set),
      headers: { "content-type": "application/json" },
    });
    const print = "echo $PASSED:$SECRET:${PATH:+path}";
    for (const [env, expected] of [
      [undefined, "p:s:path"],
      [{ mode: "deny", keys: ["SECRET"] }, "p::path"],
      [{ mode: "allow", keys: ["PASSED"] }, "p::path"],
      [{ mode: "allow", keys: [] }, "::path"],
    ] as const) {
      const id = await open(await fresh(), env === undefined ? {} : { env_passthrough: env });
      expect(await lines(id, print)).toEqual([expected]);
      await call("DELETE", sessionPath(id));
    }
  }, 30_000);

  test("has the binds and writable paths it was given; read-only ones are so", async () => {
    const [workspace, writable, source] = [await fresh(), await fresh(), await fresh()];
    await writeFile(join(source, "given"), "given");
    const id = await open(workspace, {
      extra_writable: [writable],
      binds: [
        { source, dest: "/mnt", readonly: true },
        { source: writable, dest: "/opt" },
      ],
    });
    expect(await lines(id, "cat /mnt/given; echo; echo x > /opt/by-bind; ls " + writable)).toEqual([
      "given",
      "by-bind",
    ]);
    expect((await run(id, "echo x > /mnt/more")).at(-1)?.type).toBe("error");
    await call("DELETE", sessionPath(id));
    for (const path of [join(daemon.directory, "data"), join(daemon.directory, "data/private")]) {
      const answer = await call("POST", "/v1/isolated/session", {
        workspace: { path: workspace },
        binds: [{ source: path, dest: "/mnt" }],
      });
      expect([path, answer.status]).toEqual([path, 403]);
    }
  }, 30_000);

  test.skipIf(!isRoot)(
    "is the user it was told to be, really or by looks",
    async () => {
      const workspace = await fresh();
      await chmod(workspace, 0o777);
      const real = await open(workspace, { uid: 65_534, gid: 65_534 });
      expect(await lines(real, "id -u; id -g; id -G; grep CapEff /proc/self/status; touch real")).toEqual([
        "65534",
        "65534",
        "65534",
        "CapEff:\t0000000000000000",
      ]);
      expect((await stat(join(workspace, "real"))).uid).toBe(65_534);
      expect((await run(real, "cat /etc/shadow")).at(-1)?.type).toBe("error");
      const looks = await open(workspace, { uid: 1234, gid: 1234, uid_mode: "userns" });
      expect(await lines(looks, "id -u; id -g; touch looks")).toEqual(["1234", "1234"]);
      expect((await stat(join(workspace, "looks"))).uid).toBe(0);
      for (const id of [real, looks]) await call("DELETE", sessionPath(id));
      const noUid = await call("POST", "/v1/isolated/session", { workspace: { path: workspace }, gid: 5 });
      expect(noUid.status).toBe(400);
    },
    30_000,
  );

  test("read-only, it changes nothing, by code or by the file routes", async () => {
    const workspace = await fresh();
    await writeFile(join(workspace, "file"), "old");
    const id = await open(workspace, { workspace: { path: workspace, mode: "ro" } });
    expect(await lines(id, "cat file")).toEqual(["old"]);
    expect((await run(id, "echo new > file")).at(-1)?.type).toBe("error");
    const denied = await call("POST", sessionPath(id, "/files/replace"), {
      [join(workspace, "file")]: { old: "old", new: "new" },
    });
    expect(denied.status).toBe(403);
    expect(await readFile(join(workspace, "file"), "utf8")).toBe("old");
    await call("DELETE", sessionPath(id));
  }, 30_000);

  test.skipIf(!isRoot)(
    "with an overlay, changes are seen inside and through its file routes, and dropped with it",
    async () => {
      const workspace = await fresh();
      await writeFile(join(workspace, "file"), "old");
      const id = await open(workspace, { workspace: { path: workspace, mode: "overlay" } });
      expect(await lines(id, "cat file; echo; echo new > file; echo made > made; pwd")).toEqual([
        "old",
        workspace,
      ]);
      const path = encodeURIComponent(join(workspace, "made"));
      expect((await call("GET", sessionPath(id, `/files/download?path=${path}`))).text).toBe("made\n");
      const replaced = { [join(workspace, "made")]: { old: "made", new: "by route" } };
      expect((await call("POST", sessionPath(id, "/files/replace"), replaced)).status).toBe(200);
      expect(await lines(id, "cat file made")).toEqual(["new", "by route"]);
      const listed = await call(
        "GET",
        sessionPath(id, `/directories/list?path=${encodeURIComponent(workspace)}`),
      );
      expect((listed.body as unknown as { path: string }[]).map(({ path }) => path)).toEqual(
        ["file", "made"].map((name) => join(workspace, name)),
      );
      await call("DELETE", sessionPath(id));
      expect(await readFile(join(workspace, "file"), "utf8")).toBe("old");
      expect(await readdir(workspace)).toEqual(["file"]);
      expect(spawnSync("grep", [daemon.directory, "/proc/self/mountinfo"]).stdout.toString()).toBe("");
      expect(await readdir(join(daemon.directory, "data/isolated"))).toEqual(["probe"]);
    },
    30_000,
  );

  test.skipIf(!isRoot)(
    "leaves no mount behind when the daemon is stopped or killed",
    async () => {
      const directory = await mkdtemp(join(daemon.directory, "stopped-"));
      const mounts = () => spawnSync("grep", [directory, "/proc/self/mountinfo"]).stdout.toString();
      const start = () => TestDaemon.start({ env: { SANDERLING_DATA_DIR: directory } });
      const openIn = async (one: TestDaemon) => {
        const body = JSON.stringify({ workspace: { path: one.workspace, mode: "overlay" } });
        return (await one.execd("/v1/isolated/session", { method: "POST", body })).status;
      };
      {
        await using stopped = await start();
        expect(await openIn(stopped)).toBe(201);
        expect(mounts()).not.toBe("");
        await stopped.stop();
        expect(mounts()).toBe("");
      }
      await using killed = await start();
      expect(await openIn(killed)).toBe(201);
      await killed.stop("SIGKILL");
      expect(mounts()).not.toBe("");
      await using next = await start();
      expect((await next.execd("/v1/isolated/capabilities")).status).toBe(200);
      expect(mounts()).toBe("");
    },
    60_000,
  );

  test("that cannot be made as asked for is refused with what bubblewrap says", async () => {
    const workspace = await fresh();
    const binds = [{ source: workspace, dest: "/no/such/place" }];
    const answer = await call("POST", "/v1/isolated/session", { workspace: { path: workspace }, binds });
    expect([answer.status, answer.body["message"]]).toEqual([400, expect.stringContaining("/no") as string]);
  });

  test("confines its file routes to its workspace", async () => {
    const [workspace, outside] = [await fresh(), await fresh()];
    await writeFile(join(outside, "file"), "outside");
    await symlink(outside, join(workspace, "link"));
    await mkdir(join(workspace, "sub"));
    const id = await open(workspace);
    const files = (rest: string) => sessionPath(id, rest);
    for (const path of [
      join(outside, "file"),
      join(workspace, "../x"),
      join(workspace, "link/file"),
      "/etc/passwd",
    ]) {
      const asked = encodeURIComponent(path);
      for (const [method, route] of [
        ["GET", `/files/download?path=${asked}`],
        ["GET", `/directories/list?path=${asked}`],
        ["DELETE", `/files?path=${asked}`],
        ["POST", "/directories"],
      ] as const) {
        const answer = await call(method, files(route), method === "POST" ? { [path]: {} } : undefined);
        expect([route, answer.status]).toEqual([route, 403]);
      }
    }
    expect((await call("POST", files("/directories"), { made: { mode: 700 } })).status).toBe(200);
    expect(await lines(id, "stat -c %a made")).toEqual(["700"]);
    const form = new FormData();
    form.append("metadata", new Blob([JSON.stringify({ path: join(workspace, "sub/up") })]), "metadata");
    form.append("file", new Blob(["uploaded"]), "up");
    expect((await daemon.execd(files("/files/upload"), { method: "POST", body: form })).status).toBe(200);
    expect(await lines(id, "cat sub/up")).toEqual(["uploaded"]);
    await call("DELETE", sessionPath(id));
  }, 30_000);

  test("ends by itself when nobody has used it for so long, but not while something runs in it", async () => {
    const workspace = await fresh();
    const idle = await open(workspace, { idle_timeout_seconds: 1 });
    const busy = await open(workspace, { idle_timeout_seconds: 1 });
    const code = "until [ -e done ]; do sleep 0.05; done";
    await call("POST", sessionPath(busy, "/run"), { code, background: true });
    const { sessions } = (await call("GET", "/v1/isolated/sessions")).body as unknown as {
      sessions: { session_id: string; idle_remaining_seconds: number; status: string }[];
    };
    const told = sessions.find(({ session_id }) => session_id === idle);
    expect(told).toMatchObject({ status: "active" });
    expect(told?.idle_remaining_seconds).toBeLessThanOrEqual(1);
    await until(async () => (await call("GET", sessionPath(idle))).status === 404);
    expect((await call("GET", sessionPath(busy))).status).toBe(200);
    await writeFile(join(workspace, "done"), "");
    await until(async () => (await call("GET", sessionPath(busy))).status === 404);
  }, 30_000);

  test("leaves no process behind", async () => {
    const id = await open(await fresh());
    const [marker] = await lines(id, "setsid sleep 1234567 & sleep 0.1; echo started");
    expect(marker).toBe("started");
    const count = () => spawnSync("pgrep", ["-f", "^sleep 1234567$"]).stdout.toString().trim();
    expect(count()).not.toBe("");
    await call("DELETE", sessionPath(id));
    expect(await until(() => count() === "")).toBe(true);
  }, 30_000);

  test.each([
    ["no workspace", {}, 400],
    ["a workspace that is not there", { workspace: { path: "/nowhere/at/all" } }, 404],
    ["a relative workspace", { workspace: { path: "here" } }, 400],
    ["an unknown mode", { workspace: { path: "/tmp", mode: "wr" } }, 400],
    ["an unknown profile", { workspace: { path: "/tmp" }, profile: "loose" }, 400],
  ])("is refused with %s", async (_, request, status) => {
    const answer = await call("POST", "/v1/isolated/session", request);
    expect([answer.status, typeof answer.body["message"]]).toEqual([status, "string"]);
  });

  test("says that it can neither be compared nor committed", async () => {
    const id = await open(await fresh());
    for (const [method, what] of [
      ["GET", "diff"],
      ["POST", "commit"],
    ] as const)
      expect((await call(method, sessionPath(id, `/${what}`))).body).toMatchObject({ code: "NOT_SUPPORTED" });
    await call("DELETE", sessionPath(id));
  });
});
