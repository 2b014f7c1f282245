import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";
import { HookServer } from "../../support/hook-server.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const keyed = (key: string) => ({ headers: { "Idempotency-Key": key } });
const linesOf = async (path: string) => (await readFile(path, "utf8").catch(() => "")).split("\n").length - 1;

/** A command that leaves one line for each time it is run. */
function counting(file: string, rest = "true", on = daemon) {
  const path = join(on.workspace, file);
  return { path, request: { command: `echo run >> ${path}; ${rest}` } };
}

describe("a repeat with the same idempotency key", () => {
  test("gets the answer of the first, says so, and runs nothing", async () => {
    const { path, request } = counting("repeat", "date +%N");
    const first = await daemon.post("/commands/run", request, keyed("repeat"));
    const second = await daemon.post("/commands/run", request, keyed("repeat"));
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.body).toEqual(first.body);
    expect(first.headers.get("idempotent-replayed")).toBeNull();
    expect(second.headers.get("idempotent-replayed")).toBe("true");
    expect(await linesOf(path)).toBe(1);
  });

  test("and without a key a request runs every time", async () => {
    const { path, request } = counting("unkeyed");
    await daemon.post("/commands/run", request);
    await daemon.post("/commands/run", request);
    expect(await linesOf(path)).toBe(2);
  });

  test("at the same time starts one run, and all get its answer", async () => {
    const { path, request } = counting("together", "while [ ! -e go ]; do sleep 0.02; done; date +%N");
    const all = Array.from({ length: 5 }, () => daemon.post("/commands/run", request, keyed("together")));
    await until(async () => (await linesOf(path)) > 0);
    await Bun.write(join(daemon.workspace, "go"), "");
    const answers = await Promise.all(all);
    expect(new Set(answers.map(({ body }) => body.run_id)).size).toBe(1);
    expect(new Set(answers.map(({ body }) => body.stdout)).size).toBe(1);
    const replayed = answers.filter(({ headers }) => headers.get("idempotent-replayed") === "true");
    expect([replayed.length, await linesOf(path)]).toEqual([4, 1]);
  });

  test("does not mind the order of the fields", async () => {
    const first = await daemon.post(
      "/execute",
      '{"code": "print(1)", "env": {"A": "1", "B": "2"}}',
      keyed("order"),
    );
    const second = await daemon.post(
      "/execute",
      '{"env": {"B": "2", "A": "1"}, "code": "print(1)"}',
      keyed("order"),
    );
    expect([second.status, second.body.run_id]).toEqual([200, first.body.run_id]);
  });

  test.each([
    ["failed", { code: "raise ValueError" }, 500],
    ["timed out", { code: "import time; time.sleep(60)", timeout: 1 }, 408],
  ])("of a run that %s gets the same status and body", async (name, request, status) => {
    const key = keyed(name.replace(" ", "-"));
    const first = await daemon.post("/execute", request, key);
    const second = await daemon.post("/execute", request, key);
    expect([first.status, second.status]).toEqual([status, status]);
    expect(second.body).toEqual(first.body);
    expect(second.headers.get("idempotent-replayed")).toBe("true");
  });

  test("but another body, or another route, is answered 409", async () => {
    await daemon.post("/commands/run", { command: "true" }, keyed("other"));
    const body = await daemon.post("/commands/run", { command: "false" }, keyed("other"));
    const route = await daemon.post("/execute", { code: "1" }, keyed("other"));
    for (const answer of [body, route]) {
      expect([answer.status, answer.body.code]).toEqual([409, "CONFLICT"]);
      expect(answer.body.error).toContain("already used with another request");
    }
  });

  test("after a refusal is a first request again, because nothing had run", async () => {
    const request = { command: "pwd", workdir: "later" };
    const refused = await daemon.post("/commands/run", request, keyed("refused"));
    expect(refused.status).toBe(400);
    await daemon.post("/commands/run", { command: "mkdir later" });
    const { status, headers } = await daemon.post("/commands/run", request, keyed("refused"));
    expect([status, headers.get("idempotent-replayed")]).toEqual([200, null]);
  });

  test("of an asynchronous run gets the same execution, which is called back once", async () => {
    await using hooks = new HookServer();
    const request = { code: "print(1)", callback_url: hooks.url };
    const first = await daemon.post("/execute/async", request, keyed("async"));
    const second = await daemon.post("/execute/async", request, keyed("async"));
    expect(second.body).toEqual(first.body);
    await until(() => hooks.received.length > 0);
    expect(hooks.received).toHaveLength(1);
  });

  test.each([
    ["/commands/background", (text: string) => ({ command: text })],
    ["/execute/background", (text: string) => ({ code: text, language: "bash" })],
  ])("on %s gets the same process", async (path, request) => {
    const { path: file, request: counted } = counting(path.replaceAll("/", "_"));
    const first = await daemon.post(path, request(counted.command), keyed(path));
    const second = await daemon.post(path, request(counted.command), keyed(path));
    expect(second.body["process_id"]).toBeString();
    expect(second.body).toEqual(first.body);
    await until(async () => (await linesOf(file)) > 0);
    expect(await linesOf(file)).toBe(1);
  });

  test("finds the run that its first client left, and gets its answer", async () => {
    const { path, request } = counting("left", "while [ ! -e come ]; do sleep 0.02; done; echo whole");
    const client = new AbortController();
    const gone = daemon.post("/commands/run", request, { ...keyed("left"), signal: client.signal });
    await until(async () => (await linesOf(path)) > 0);
    client.abort();
    expect(await gone.catch((error: unknown) => (error as Error).name)).toBe("AbortError");
    const again = daemon.post("/commands/run", request, keyed("left"));
    await Bun.write(join(daemon.workspace, "come"), "");
    expect((await again).body).toMatchObject({ stdout: "whole\n", exit_code: 0 });
    expect(await linesOf(path)).toBe(1);
  });
});

describe("an idempotency key", () => {
  test.each([
    ["empty", ""],
    ["with a space", "a b"],
    ["of 256 characters", "k".repeat(256)],
    ["with other than ASCII", "é"],
  ])("that is %s is refused with 400", async (_, key) => {
    const { status, body } = await daemon.post("/commands/run", { command: "true" }, keyed(key));
    expect([status, body.code]).toEqual([400, "INVALID_REQUEST"]);
    expect(body.error).toStartWith("Idempotency-Key: expected 1 to 255");
  });

  test("of 255 characters is taken", async () => {
    const { status } = await daemon.post("/commands/run", { command: "true" }, keyed("k".repeat(255)));
    expect(status).toBe(200);
  });
});

describe("on a disk that the run itself fills", () => {
  test.if(process.getuid?.() === 0)(
    "the first request gets the true result, and a repeat runs nothing",
    async () => {
      const data = await mkdtemp(join(tmpdir(), "sanderling-data-"));
      if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "none", data]).status !== 0) return;
      try {
        await using full = await TestDaemon.start({ env: { SANDERLING_DATA_DIR: data } });
        const fill = `head -c 64M /dev/zero > ${data}/fill`;
        const { path, request } = counting("filled", `${fill}; seq 1 20000`, full);
        const first = await full.post("/commands/run", request, keyed("filled"));
        expect([first.status, first.body.success]).toEqual([200, true]);
        expect(first.body.stderr).toContain("No space left");
        expect(first.body.stdout.slice(-6)).toBe("20000\n");
        const again = await full.post("/commands/run", request, keyed("filled"));
        expect([again.status, again.body["details"]]).toEqual([409, { idempotency: "lost" }]);
        const other = await full.post("/commands/run", { command: "echo free" });
        expect(other.body.stdout).toBe("free\n");
        expect(await linesOf(path)).toBe(1);
        await full.stop();
        // A daemon starts on a full disk, too.
        await using next = await TestDaemon.start({ env: { SANDERLING_DATA_DIR: data } });
        expect((await next.post("/commands/run", request, keyed("filled"))).status).toBe(409);
        await rm(join(data, "fill"));
        const room = await next.post("/commands/run", { command: "echo room" }, keyed("room"));
        expect(room.body.stdout).toBe("room\n");
        expect(await full.log).toContain("the answer to an idempotency key could not be kept");
      } finally {
        spawnSync("umount", [data]);
        await rm(data, { recursive: true, force: true });
      }
    },
  );
});

describe("after a restart", () => {
  test("a repeat gets the kept answer, and one whose run was lost is told so and runs nothing", async () => {
    const data = await mkdtemp(join(tmpdir(), "sanderling-data-"));
    const workspace = join(data, "workspace");
    const env = { SANDERLING_DATA_DIR: data, SANDERLING_WORKSPACE: workspace };
    const path = join(workspace, "count");
    const done = { command: `echo done >> ${path}; date +%N` };
    const cut = { command: `echo cut >> ${path}; sleep 600` };
    const first = await TestDaemon.start({ env });
    const kept = await first.post("/commands/run", done, keyed("done"));
    const lost = first.post("/commands/run", cut, keyed("cut")).catch(() => "gone");
    await until(async () => (await linesOf(path)) === 2);
    await first.stop("SIGKILL");
    expect(await lost).toBe("gone");

    await using second = await TestDaemon.start({ env });
    const repeat = await second.post("/commands/run", done, keyed("done"));
    expect([repeat.status, repeat.headers.get("idempotent-replayed")]).toEqual([200, "true"]);
    expect(repeat.body).toEqual(kept.body);
    const told = await second.post("/commands/run", cut, keyed("cut"));
    expect([told.status, told.body.code]).toEqual([409, "CONFLICT"]);
    expect(told.body.error).toContain("was lost");
    expect(told.body["details"]).toEqual({ idempotency: "lost" });
    expect(await linesOf(path)).toBe(2);
    await first[Symbol.asyncDispose]();
    await rm(data, { recursive: true, force: true });
  });
});
