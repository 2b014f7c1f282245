import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CLIENT_PYTHON, runProgram } from "../../support/clients.ts";
import { TEST_API_KEY, TestDaemon, type Answer } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";
import { HookServer, type ReceivedHook } from "../../support/hook-server.ts";
import { freePort } from "../../support/ports.ts";

const FAST = { SANDERLING_WEBHOOK_RETRY_BASE_MS: "20" };
let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ env: FAST });
});
afterAll(() => daemon[Symbol.asyncDispose]());

interface State extends Answer {
  readonly status: string;
  readonly result?: Answer;
  readonly delivery: {
    readonly id: string;
    readonly status: string;
    readonly attempts: number;
    readonly last_status: number | null;
    readonly next_attempt_at: string | null;
  };
}

async function stateOf(id: unknown, on = daemon): Promise<State> {
  return (await (await on.fetch(`/execute/async/${String(id)}`)).json()) as State;
}

function delivered(id: unknown, on = daemon): Promise<State> {
  return until(async () => {
    const state = await stateOf(id, on);
    return state.delivery.status === "pending" ? undefined : state;
  });
}

const bodyOf = (hook: ReceivedHook | undefined) =>
  JSON.parse(hook?.body ?? "null") as Answer & { status: string };

interface Listed extends Answer {
  readonly process_id: string;
  readonly execution_id: string;
  readonly status: string;
}

async function listed(id: unknown, on = daemon): Promise<Listed | undefined> {
  const { processes } = (await (await on.fetch("/execute/processes")).json()) as { processes: Listed[] };
  return processes.find(({ execution_id }) => execution_id === id);
}

describe("an asynchronous run among the processes", () => {
  test("is listed by the execution id that was answered, while it runs and after its end", async () => {
    await using hooks = new HookServer();
    const code = "print('printed')\nimport os, time\nwhile not os.path.exists('end'): time.sleep(0.02)";
    const { body } = await daemon.post("/execute/async", { code, callback_url: hooks.url });
    const id = body["execution_id"];
    expect(await listed(id)).toMatchObject({
      status: "running",
      name: "python",
      command: "print('printed')",
    });
    await Bun.write(join(daemon.workspace, "end"), "");
    await delivered(id);
    expect(await listed(id)).toMatchObject({ status: "completed", exit_code: 0, stdout: "printed\n" });
    const one = await daemon.fetch(`/execute/processes/${String(id)}`);
    expect(await one.json()).toMatchObject({ execution_id: id, stdout: "printed\n" });
  });

  test("is killed by that id, and the callback says so", async () => {
    await using hooks = new HookServer();
    const request = { code: "exec sleep 600", language: "bash", callback_url: hooks.url };
    const { body } = await daemon.post("/execute/async", request);
    const id = String(body["execution_id"]);
    const killed = await daemon.post(`/execute/kill/${id}`, {});
    expect(killed).toMatchObject({
      status: 200,
      body: { execution_id: id, status: "killed", was_running: true },
    });
    await delivered(id);
    expect(bodyOf(hooks.received[0])).toMatchObject({
      execution_id: id,
      status: "failed",
      end: { cause: "cancelled", description: "cancelled (requested)" },
    });
    expect(await listed(id)).toMatchObject({ status: "killed" });
  });

  test("is told with all it printed even where nothing of those that have ended is remembered", async () => {
    await using hooks = new HookServer();
    const env = { ...FAST, SANDERLING_BACKGROUND_KEEP_COUNT: "0" };
    await using forgetful = await TestDaemon.start({ env });
    const code = "seq 1 100000";
    const { body } = await forgetful.post("/execute/async", {
      code,
      language: "bash",
      callback_url: hooks.url,
    });
    await delivered(body["execution_id"], forgetful);
    expect(bodyOf(hooks.received[0]).stdout).toHaveLength(588_895);
    await until(async () => (await listed(body["execution_id"], forgetful)) === undefined);
  });
});

describe("POST /execute/async", () => {
  test("answers at once and sends the result to the callback URL with the documented fields", async () => {
    await using hooks = new HookServer();
    const { status, body } = await daemon.post("/execute/async", {
      code: "import os; print(os.environ['A'], os.getcwd())",
      callback_url: hooks.url,
      callback_headers: { Authorization: "Bearer of the receiver" },
      env: { A: "1" },
      working_dir: "/tmp",
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: "queued", callback_url: hooks.url });
    expect(body["execution_id"]).toMatch(/^exec_\w+$/);
    const state = await delivered(body["execution_id"]);
    const [hook] = hooks.received;
    expect(bodyOf(hook)).toMatchObject({
      execution_id: body["execution_id"],
      status: "completed",
      success: true,
      stdout: "1 /tmp\n",
      stderr: "",
      exit_code: 0,
      end: { cause: "exited", description: "exited with code 0" },
    });
    expect(bodyOf(hook).execution_time).toBeGreaterThan(0);
    expect(hook?.headers.get("authorization")).toBe("Bearer of the receiver");
    expect(hook?.headers.get("x-hopx-delivery")).toBe(state.delivery.id);
    expect(Number(hook?.headers.get("x-hopx-timestamp"))).toBeGreaterThan(1.7e9);
    expect(state).toMatchObject({
      status: "completed",
      result: { stdout: "1 /tmp\n" },
      delivery: { status: "delivered", attempts: 1, last_status: 200, next_attempt_at: null },
    });
  });

  test.each([
    [
      "a program that fails",
      { code: "raise SystemExit(3)" },
      { status: "failed", success: false, exit_code: 3 },
    ],
    [
      "a program that takes too long",
      { code: "sleep 60", language: "bash", timeout: 1 },
      { status: "timeout", success: false, exit_code: 124, end: { cause: "timed_out" } },
    ],
  ])("tells the true end of %s", async (_, request, expected) => {
    await using hooks = new HookServer();
    const { body } = await daemon.post("/execute/async", { ...request, callback_url: hooks.url });
    await delivered(body["execution_id"]);
    expect(bodyOf(hooks.received[0])).toMatchObject(expected);
    expect(bodyOf(hooks.received[0]).error).toBeString();
  });

  test("says running until the run has ended, and 409 when asked to send the result before", async () => {
    await using hooks = new HookServer();
    const { body } = await daemon.post("/execute/async", {
      code: "while [ ! -e go ]; do sleep 0.02; done",
      language: "bash",
      callback_url: hooks.url,
    });
    const id = String(body["execution_id"]);
    expect(await stateOf(id)).toMatchObject({
      status: "running",
      delivery: { status: "pending", attempts: 0 },
    });
    const early = await daemon.post(`/execute/async/${id}/redeliver`, {});
    expect([early.status, early.body.code]).toEqual([409, "CONFLICT"]);
    await Bun.write(join(daemon.workspace, "go"), "");
    expect((await delivered(id)).status).toBe("completed");
    const again = await daemon.post(`/execute/async/${id}/redeliver`, {});
    expect(again.status).toBe(200);
    await until(() => hooks.received.length === 2);
    expect(hooks.received[0]?.body).toBe(hooks.received[1]?.body ?? "");
  });

  test("the state of an unknown execution is 404", async () => {
    const response = await daemon.fetch("/execute/async/exec_nobody");
    expect([response.status, ((await response.json()) as Answer).code]).toEqual([404, "RESOURCE_NOT_FOUND"]);
  });

  test.each([
    ["no callback_url", {}, "Missing required field: callback_url"],
    ["one that is no address", { callback_url: "soon" }, "Invalid callback URL: expected an absolute"],
    ["one of another scheme", { callback_url: "file:///etc/passwd" }, "expected http or https"],
    ["a metadata address", { callback_url: "http://169.254.169.254/" }, "its address is metadata"],
    ["a hidden metadata address", { callback_url: "http://[::ffff:a9fe:a9fe]/" }, "its address is metadata"],
    ["an unspecified address", { callback_url: "http://0.0.0.0:1/" }, "its address is unusable"],
    [
      "a header of the connection",
      { callback_url: "http://127.0.0.1/", callback_headers: { Host: "x" } },
      'Cannot send the callback header "Host"',
    ],
    [
      "a header of our own",
      { callback_url: "http://127.0.0.1/", callback_headers: { "x-hopx-signature": "x" } },
      'Cannot send the callback header "x-hopx-signature"',
    ],
    [
      "a wish for the cache",
      { callback_url: "http://127.0.0.1/", cache: true },
      "never answered from the cache",
    ],
    [
      "an unknown language",
      { callback_url: "http://127.0.0.1/", language: "ruby" },
      "Invalid language: ruby",
    ],
    [
      "no such directory",
      { callback_url: "http://127.0.0.1/", workdir: "/none" },
      "Working directory does not",
    ],
  ])("answers 400 for %s and runs nothing", async (_, fields, message) => {
    const { status, body } = await daemon.post("/execute/async", { code: "1", ...fields });
    expect([status, body.code, body.error]).toEqual([
      400,
      "INVALID_REQUEST",
      expect.stringContaining(message) as string,
    ]);
  });

  test("webhook targets are a setting", async () => {
    await using strict = await TestDaemon.start({ env: { SANDERLING_WEBHOOK_TARGETS: "public" } });
    const request = { code: "1", callback_url: "http://localhost:1/" };
    const { status, body } = await strict.post("/execute/async", request);
    expect([status, body.error]).toEqual([400, expect.stringContaining("its address is loopback") as string]);
  });

  test("neither headers, secrets nor addresses reach the log", async () => {
    const port = await freePort();
    const other = await TestDaemon.start({ env: { SANDERLING_WEBHOOK_RETRY_BASE_MS: "1" } });
    const { body } = await other.post("/execute/async", {
      code: "1",
      callback_url: `http://127.0.0.1:${port}/hook?key=query-secret`,
      callback_headers: { "X-Key": "header-secret" },
      callback_signature_secret: "signing-secret",
    });
    const state = await delivered(body["execution_id"], other);
    expect(state.delivery).toMatchObject({ status: "failed", last_error: "ECONNREFUSED" });
    expect(JSON.stringify(state)).not.toMatch(/header-secret|signing-secret/);
    await other.stop();
    expect(await other.log).toContain("a webhook was not delivered");
    expect(await other.log).not.toMatch(/query-secret|header-secret|signing-secret/);
    await other[Symbol.asyncDispose]();
  });
});

describe("the examples that verify signatures", () => {
  test.each([
    ["verify-webhook.mjs", "node"],
    ["verify-webhook.py", CLIENT_PYTHON],
  ])("%s accepts ours and refuses others", async (file, interpreter) => {
    const receiver = Bun.spawn([interpreter, `examples/hopx/${file}`, "0"], {
      cwd: join(import.meta.dir, "../../.."),
      env: { ...process.env, WEBHOOK_SECRET: "right" },
      stdout: "pipe",
    });
    const lines = linesOf(receiver.stdout);
    const url = /http\S+/.exec(await lines())?.[0];
    const start = async (secret: string) => {
      const request = { code: "print(6 * 7)", callback_url: url, callback_signature_secret: secret };
      const { body } = await daemon.post("/execute/async", request);
      return delivered(body["execution_id"]);
    };
    const right = await start("right");
    expect(right.delivery).toMatchObject({ status: "delivered", last_status: 204 });
    expect(await lines()).toBe(`${String(right["execution_id"])} completed: 42`);
    expect((await start("wrong")).delivery).toMatchObject({ status: "failed", last_status: 401 });
    receiver.kill();
    await receiver.exited;
  });
});

function linesOf(stream: ReadableStream<Uint8Array>): () => Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  return async () => {
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error("the program ended");
      text += decoder.decode(value, { stream: true });
    }
    const end = text.indexOf("\n");
    const line = text.slice(0, end);
    text = text.slice(end + 1);
    return line;
  };
}

describe("the vendors' libraries", () => {
  test.each([
    ["JavaScript", ["node", "test/contract/hopx/clients/async.mjs"], ["js"], ["javascript"]],
    [
      "Python",
      [CLIENT_PYTHON, "test/contract/hopx/clients/async_client.py"],
      ["python", "asyncio"],
      ["python", "asyncio"],
    ],
  ])(
    "%s starts asynchronous runs and gets their callbacks",
    async (_, argv, who, callers) => {
      await using hooks = new HookServer();
      const result = await runProgram([...argv, daemon.url, daemon.sandboxId, TEST_API_KEY, hooks.url]);
      expect([result.code, result.stderr]).toEqual([0, expect.any(String) as string]);
      const ids = result.stdout.trim().split("\n");
      await until(() => hooks.received.length === ids.length);
      const told = hooks.received.map((hook) => bodyOf(hook));
      expect(told.map(({ execution_id }) => execution_id as string).sort()).toEqual(ids.sort());
      expect(told.map(({ stdout }) => stdout).sort()).toEqual(who.map((one) => `${one} /tmp\n`).sort());
      expect(hooks.received.map(({ headers }) => headers.get("x-caller") ?? "").sort()).toEqual(
        callers.sort(),
      );
      for (const { headers } of hooks.received)
        expect(headers.get("x-hopx-signature")).toStartWith("sha256=");
    },
    60_000,
  );
});

describe("a daemon that is killed", () => {
  test("between a run's end and its delivery: the next one delivers, with the same delivery id", async () => {
    const data = await mkdtemp(join(tmpdir(), "sanderling-data-"));
    const env = { ...FAST, SANDERLING_DATA_DIR: data };
    const port = await freePort();
    const first = await TestDaemon.start({ env });
    const { body } = await first.post("/execute/async", {
      code: "print('kept')",
      callback_url: `http://127.0.0.1:${port}/hook`,
      callback_signature_secret: "right",
    });
    const id = body["execution_id"];
    const before = await until(async () => {
      const state = await stateOf(id, first);
      return state.delivery.attempts > 0 ? state : undefined;
    });
    await first.stop("SIGKILL");
    await using hooks = new HookServer(undefined, port);
    await using second = await TestDaemon.start({ env });
    expect((await delivered(id, second)).delivery).toMatchObject({
      id: before.delivery.id,
      status: "delivered",
    });
    const [hook] = hooks.received;
    expect(hook?.headers.get("x-hopx-delivery")).toBe(before.delivery.id);
    expect(hook?.headers.get("x-hopx-signature")).toStartWith("sha256=");
    expect(bodyOf(hook)).toMatchObject({ execution_id: id, status: "completed", stdout: "kept\n" });
    await first[Symbol.asyncDispose]();
    await rm(data, { recursive: true, force: true });
  });

  test("while a run is under way: the next one tells that it was lost", async () => {
    const data = await mkdtemp(join(tmpdir(), "sanderling-data-"));
    const env = { ...FAST, SANDERLING_DATA_DIR: data };
    await using hooks = new HookServer();
    const first = await TestDaemon.start({ env });
    const { body } = await first.post("/execute/async", {
      code: "sleep 600",
      language: "bash",
      callback_url: hooks.url,
    });
    await first.stop("SIGKILL");
    await using second = await TestDaemon.start({ env });
    await delivered(body["execution_id"], second);
    expect(bodyOf(hooks.received[0])).toMatchObject({
      execution_id: body["execution_id"],
      status: "failed",
      success: false,
      exit_code: 255,
      end: { cause: "lost" },
    });
    await first[Symbol.asyncDispose]();
    await rm(data, { recursive: true, force: true });
  });

  test("again and again, at any moment: every run that was accepted is told of, with one delivery id", async () => {
    const data = await mkdtemp(join(tmpdir(), "sanderling-data-"));
    const env = { ...FAST, SANDERLING_DATA_DIR: data };
    await using hooks = new HookServer(
      (count) => new Response(null, { status: count % 4 === 0 ? 500 : 200 }),
    );
    const accepted = new Set<string>();
    for (let round = 0; round < 4; round++) {
      await using killed = await TestDaemon.start({ env });
      const start = async (index: number) => {
        const request = { code: `sleep 0.0${index}`, language: "bash", callback_url: hooks.url };
        const answer = await killed.post("/execute/async", request).catch(() => undefined);
        if (answer) accepted.add(String(answer.body["execution_id"]));
      };
      const all = Array.from({ length: 10 }, (_, index) => start(index));
      // Some have ended then, some run, and some have not begun.
      await Promise.all(all.slice(0, 2 + 2 * round));
      await killed.stop("SIGKILL");
      await Promise.all(all);
    }
    await using last = await TestDaemon.start({ env });
    await Promise.all([...accepted].map((id) => delivered(id, last)));
    const told = Map.groupBy(hooks.received, (hook) => String(bodyOf(hook)["execution_id"]));
    expect(accepted.size).toBeGreaterThan(10);
    for (const id of accepted) {
      const deliveries = new Set(told.get(id)?.map(({ headers }) => headers.get("x-hopx-delivery")));
      expect([id, deliveries.size]).toEqual([id, 1]);
    }
    await rm(data, { recursive: true, force: true });
  }, 60_000);

  test("an orderly stop tells the true end of what still ran before it is over", async () => {
    await using hooks = new HookServer();
    const env = { ...FAST, SANDERLING_SHUTDOWN_GRACE_MS: "50" };
    await using stopped = await TestDaemon.start({ env });
    await stopped.post("/execute/async", { code: "sleep 600", language: "bash", callback_url: hooks.url });
    expect(await stopped.stop()).toBe(0);
    expect(bodyOf(hooks.received[0])).toMatchObject({ status: "failed", end: { cause: "cancelled" } });
  });

  test("an orderly stop gives what still runs its time, because a callback is waited for", async () => {
    await using hooks = new HookServer();
    const env = { ...FAST, SANDERLING_SHUTDOWN_GRACE_MS: "3600000" };
    await using stopped = await TestDaemon.start({ env });
    const code = "touch ready; while [ ! -e go ]; do sleep 0.05; done; echo done";
    await stopped.post("/execute/async", { code, language: "bash", callback_url: hooks.url });
    await until(() => Bun.file(join(stopped.workspace, "ready")).exists());
    const end = stopped.stop();
    await until(() =>
      fetch(`${stopped.url}/ping`).then(
        () => undefined,
        () => true,
      ),
    );
    await Bun.write(join(stopped.workspace, "go"), "");
    expect(await end).toBe(0);
    expect(bodyOf(hooks.received[0])).toMatchObject({ status: "completed", stdout: "done\n" });
  });
});
