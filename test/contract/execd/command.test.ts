import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readStat } from "../../../src/engine/process/proc.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";
import { eventsOf, framesOf, textsOf, type StreamEvent } from "../../support/event-stream.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const post = (body: object, headers: Record<string, string> = {}, signal?: AbortSignal) =>
  daemon.execd("/command", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });

async function run(command: string, more: object = {}): Promise<StreamEvent[]> {
  return eventsOf(await post({ command, ...more }));
}

async function json(
  response: Response | Promise<Response>,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const { status } = await response;
  return { status, body: (await (await response).json()) as Record<string, unknown> };
}

async function start(body: object): Promise<string> {
  const [init] = await eventsOf(await post({ background: true, ...body }));
  return init?.text ?? "";
}

const statusOf = async (id: string) => (await json(daemon.execd(`/command/status/${id}`))).body;
const endOf = (id: string) =>
  until(async () => ((await statusOf(id))["running"] === false ? statusOf(id) : undefined));

test("a command is told from its first event to exactly one final one", async () => {
  const response = await post({ command: "echo one; echo two >&2" });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const events = await eventsOf(response);
  expect(events.map(({ type }) => type).sort()).toEqual(["execution_complete", "init", "stderr", "stdout"]);
  expect(events[0]?.type).toBe("init");
  expect(events[0]?.text).toMatch(/^[0-9a-f]{32}$/);
  expect(response.headers.get("execd-execution-id")).toBe(events[0]?.text ?? "");
  expect(events.at(-1)?.execution_time).toBeGreaterThanOrEqual(0);
  for (const { timestamp } of events) expect(Math.abs(Date.now() - timestamp)).toBeLessThan(60_000);
});

test("lines are told without their ends, empty lines as a line feed", async () => {
  for (const [printed, told] of [
    ["hello\\n", ["hello"]],
    ["a\\r\\nb\\r\\n", ["a", "b"]],
    ["10%%\\r20%%\\r", ["10%", "20%"]],
    ["a\\n\\nb\\n\\n\\nc\\n", ["a", "\n", "b", "\n", "\n", "c"]],
    ["\\r\\r", ["\n", "\n"]],
    ["no end", ["no end"]],
    ["bad \\377\\376 bytes\\n", ["bad \ufffd\ufffd bytes"]],
    ["gr\\303\\274n \\360\\237\\246\\206\\n", ["grün 🦆"]],
    ["", []],
  ] as const) {
    expect(textsOf(await run(`printf '${printed}'`), "stdout")).toEqual([...told]);
  }
});

test("a line end that comes in two writes is one, and text does not wait for the end of the command", async () => {
  const events = await run("printf 'a\\r'; sleep 0.05; printf '\\nb\\303'; sleep 0.05; printf '\\274\\n'");
  expect(textsOf(events, "stdout")).toEqual(["a", "bü"]);
  const gate = join(daemon.workspace, "gate");
  const waiting = framesOf(
    await post({ command: `echo early; until [ -e ${gate} ]; do sleep 0.01; done; echo late` }),
  );
  const texts: string[] = [];
  for await (const { event } of waiting) {
    if (event.type !== "stdout") continue;
    texts.push(event.text ?? "");
    await Bun.write(gate, "");
  }
  expect(texts).toEqual(["early", "late"]);
});

test("odd line ends of Unicode are escaped, so that line-wise clients see whole frames", async () => {
  const response = await post({ command: "printf 'a\\302\\205b\\342\\200\\250c\\342\\200\\251d\\n'" });
  const text = await response.text();
  expect(text).not.toMatch(/[\u0085\u2028\u2029]/);
  expect(text).toContain("a\\u0085b\\u2028c\\u2029d");
});

test("how a command ended is told in the words of the reference server", async () => {
  for (const [command, evalue, traceback] of [
    ["exit 3", "3", "exit status 3"],
    ["nosuchprogram", "127", "exit status 127"],
    ["kill -KILL $$", "-1", "signal: killed"],
    ["kill -TERM $$", "-1", "signal: terminated"],
  ] as const) {
    const events = await run(command);
    expect(events.at(-1)).toMatchObject({
      type: "error",
      error: { ename: "CommandExecError", evalue, traceback: [traceback] },
    });
    expect(events.filter(({ type }) => ["execution_complete", "error"].includes(type))).toHaveLength(1);
  }
});

test("a timeout in milliseconds ends the command with everything it started, and is called one", async () => {
  const events = await run("echo before; sleep 1000 & echo $!; wait", { timeout: 300 });
  const [before, pid] = textsOf(events, "stdout");
  expect(before).toBe("before");
  expect(readStat(Number(pid))?.state ?? "X").toMatch(/[ZX]/);
  expect(events.at(-1)?.error).toMatchObject({
    evalue: "-1",
    traceback: ["signal: killed (timed out after 0.3 s)"],
  });
});

test("a program and its arguments run without a shell", async () => {
  const argv = ["printf", "%s|", "$HOME", "a b", "*"];
  expect(textsOf(await eventsOf(await post({ argv })), "stdout")).toEqual(["$HOME|a b|*|"]);
  const missing = await eventsOf(await post({ argv: ["nosuchprogram"] }));
  expect(missing.map(({ type }) => type)).toEqual(["init", "error"]);
  expect(missing[1]?.error).toMatchObject({ evalue: "127", traceback: ["nosuchprogram: not found"] });
});

test("a command gets its directory, its variables and an empty stdin", async () => {
  expect(textsOf(await run("pwd", { cwd: "/tmp" }), "stdout")).toEqual(["/tmp"]);
  expect(textsOf(await run("pwd", { cwd: "$PLACE/..", envs: { PLACE: "/usr/lib" } }), "stdout")).toEqual([
    "/usr",
  ]);
  expect(textsOf(await run("pwd"), "stdout")).toEqual([daemon.workspace]);
  const odd = "a $HOME 'quoted'";
  expect(textsOf(await run('echo "$ODD"; cat', { envs: { ODD: odd } }), "stdout")).toEqual([odd]);
});

test("what cannot be run is refused before anything is told", async () => {
  for (const [body, status, message] of [
    [{}, 400, "exactly one of command and argv is required"],
    [{ command: "" }, 400, "invalid request, validation error"],
    [{ command: "true", argv: ["true"] }, 400, "exactly one of"],
    [{ argv: [] }, 400, "argv"],
    [{ argv: ["a\0b"] }, 400, "NUL"],
    [{ command: "true", timeout: -1 }, 400, "timeout"],
    [{ command: "true", gid: 0 }, 400, "uid is required when gid is provided"],
    [{ command: "true", cwd: "/no/such" }, 400, "working directory does not exist: /no/such"],
    [{ command: "true", cwd: "/etc/passwd" }, 400, "working directory path is not a directory: /etc/passwd"],
    [{ command: "true", cwd: "$NO_SUCH_VARIABLE/x" }, 400, "cannot resolve working directory"],
    [{ command: "true", envs: { "A=B": "x" } }, 400, "A=B"],
  ] as const) {
    const answer = await json(post(body));
    expect([answer.status, answer.body["code"]]).toEqual([status, "INVALID_REQUEST_BODY"]);
    expect(answer.body["message"]).toContain(message);
  }
  const broken = await json(daemon.execd("/command", { method: "POST", body: "{" }));
  expect(broken.body["message"]).toStartWith("error parsing request, MAYBE invalid body format. ");
  const denied = await daemon.execd("/command", {
    method: "POST",
    headers: { "x-execd-access-token": "no" },
  });
  expect(denied.status).toBe(401);
});

test.if(process.getuid?.() === 0)(
  "a command runs as the user it is told, with that user's groups and home",
  async () => {
    const show = "id -u; id -g; id -G; echo $HOME $USER";
    expect(textsOf(await run(show, { uid: 1, cwd: "/" }), "stdout")).toEqual([
      "1",
      "1",
      "1",
      "/usr/sbin daemon",
    ]);
    expect(textsOf(await run(show, { uid: 1, gid: 2, cwd: "/" }), "stdout")).toEqual([
      "1",
      "2",
      "2",
      "/usr/sbin daemon",
    ]);
    const unknown = await run(show, { uid: 54_321, cwd: "/" });
    expect(textsOf(unknown, "stdout")).toEqual(["54321", "54321", "54321", "/ 54321"]);
  },
);

test("a background command is asked about, and its output read with a cursor in bytes", async () => {
  const gate = join(daemon.workspace, "log-gate");
  const id = await start({
    command: `echo one; echo two >&2; until [ -e ${gate} ]; do sleep 0.01; done; printf drei; exit 4`,
  });
  const running = await statusOf(id);
  expect(running).toMatchObject({ id, running: true });
  expect(running["content"]).toStartWith("echo one");
  expect(running["exit_code"]).toBeUndefined();
  const logs = async (cursor: number) => {
    const response = await daemon.execd(`/command/${id}/logs?cursor=${cursor}`);
    return {
      text: await response.text(),
      cursor: Number(response.headers.get("execd-commands-tail-cursor")),
    };
  };
  await until(async () => (await logs(0)).cursor === 8);
  expect(await logs(0)).toEqual({ text: "one\ntwo\n", cursor: 8 });
  expect(await logs(5)).toEqual({ text: "wo\n", cursor: 8 });
  await Bun.write(gate, "");
  expect(await endOf(id)).toMatchObject({ running: false, exit_code: 4, error: "exit status 4" });
  expect(await logs(8)).toEqual({ text: "drei", cursor: 12 });
  expect(await logs(99)).toEqual({ text: "", cursor: 12 });
  expect((await json(daemon.execd(`/command/${id}/logs?cursor=-1`))).status).toBe(400);
});

test("only background commands have logs, and unknown ids are told as the clients expect", async () => {
  const [init] = await run("echo hi");
  const id = init?.text ?? "";
  expect(await statusOf(id)).toMatchObject({ running: false, exit_code: 0, content: "echo hi" });
  expect(await json(daemon.execd(`/command/${id}/logs`))).toMatchObject({
    status: 400,
    body: { code: "INVALID_REQUEST_BODY", message: `command ${id} is not running in background` },
  });
  expect(await json(daemon.execd("/command/nothing/logs"))).toMatchObject({ status: 400 });
  expect(await json(daemon.execd("/command/status/nothing"))).toEqual({
    status: 404,
    body: { code: "INVALID_REQUEST_BODY", message: "command not found: nothing" },
  });
});

test("an interrupt ends a command that ignores SIGTERM, and its stream says so", async () => {
  const frames = framesOf(await post({ command: "trap '' TERM; echo up; while :; do sleep 0.02; done" }));
  const events: StreamEvent[] = [];
  let id = "";
  for await (const { event } of frames) {
    events.push(event);
    if (event.type === "init") id = event.text ?? "";
    if (event.type === "stdout") {
      const answer = await daemon.execd(`/command?id=${id}`, { method: "DELETE" });
      expect([answer.status, answer.headers.get("content-length")]).toEqual([200, "0"]);
    }
  }
  expect(events.at(-1)?.error).toMatchObject({
    evalue: "-1",
    traceback: [expect.stringContaining("signal: ")],
  });
  const again = await json(daemon.execd(`/command?id=${id}`, { method: "DELETE" }));
  expect(again.body["message"]).toContain("is not running");
  const missing = await json(daemon.execd("/command", { method: "DELETE" }));
  expect(missing).toMatchObject({ status: 400, body: { code: "MISSING_QUERY" } });
  expect((await daemon.execd("/command?id=fake", { method: "DELETE" })).ok).toBe(false);
});

test("a command survives its client", async () => {
  const marker = join(daemon.workspace, "survived");
  const gate = join(daemon.workspace, "survive-gate");
  let id = "";
  const client = new AbortController();
  const command = `until [ -e ${gate} ]; do sleep 0.01; done; touch ${marker}`;
  for await (const { event } of framesOf(await post({ command }, {}, client.signal))) {
    id = event.text ?? "";
    break;
  }
  client.abort();
  expect(await statusOf(id)).toMatchObject({ running: true });
  await Bun.write(gate, "");
  expect(await endOf(id)).toMatchObject({ exit_code: 0 });
  expect(existsSync(marker)).toBe(true);
});

test("a child that holds the output open does not hold the answer", async () => {
  const events = await run("sleep 1000 & echo $!");
  expect(events.at(-1)?.type).toBe("execution_complete");
  process.kill(Number(textsOf(events, "stdout")[0]), "SIGKILL");
});

test("200 commands at once all give their own output", async () => {
  const texts = await Promise.all(
    Array.from({ length: 200 }, async (_, i) =>
      textsOf(await run(`echo ${i}; sleep 0.2; echo ${i}`), "stdout"),
    ),
  );
  expect(texts).toEqual(Array.from({ length: 200 }, (_, i) => [String(i), String(i)]));
});

test("a repeat with the same idempotency key gets the first run, told again", async () => {
  const counter = join(daemon.workspace, "counter");
  const body = { command: `echo x >> ${counter}; cat ${counter}` };
  const key = { "Idempotency-Key": "only-once" };
  const [first, second] = [await eventsOf(await post(body, key)), await post(body, key)];
  expect(second.headers.get("idempotent-replayed")).toBe("true");
  const told = await eventsOf(second);
  expect(told.map(({ type, text }) => [type, text])).toEqual(first.map(({ type, text }) => [type, text]));
  expect(await Bun.file(counter).text()).toBe("x\n");
  expect((await post({ command: "true" }, key)).status).toBe(409);
});

test("the variables of the environment file reach later runs of either API", async () => {
  expect(
    (await run(`echo "FROM_FILE='a b'" >> "$EXECD_ENVS"; echo 'TWICE="x\\n$FROM"' >> "$EXECD_ENVS"`)).at(-1)
      ?.type,
  ).toBe("execution_complete");
  expect(textsOf(await run('echo "$FROM_FILE"'), "stdout")).toEqual(["a b"]);
  const hopx = await daemon.post("/commands/run", { command: 'printf %s "$FROM_FILE"' });
  expect(hopx.body.stdout).toBe("a b");
  expect(textsOf(await run('echo "$FROM_FILE"', { envs: { FROM_FILE: "mine" } }), "stdout")).toEqual([
    "mine",
  ]);
});

test("a path that is not there and one with a slash too many are told as such", async () => {
  expect((await json(daemon.execd("/no/such"))).status).toBe(404);
  const ping = await daemon.execd("/ping/");
  expect([ping.status, ping.redirected]).toEqual([200, true]);
  const known = await daemon.execd("/command/status/x", { headers: { "x-request-id": "mine" } });
  expect(known.headers.get("x-request-id")).toBe("mine");
});
