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

const send = (path: string, body?: object | string, method = "POST", signal?: AbortSignal) =>
  daemon.execd(path, {
    method,
    headers: { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  });

async function open(body?: object | string): Promise<string> {
  const response = await send("/session", body);
  return ((await response.json()) as { session_id: string }).session_id;
}

async function run(session: string, command: string, more: object = {}): Promise<StreamEvent[]> {
  return eventsOf(await send(`/session/${session}/run`, { command, ...more }));
}

async function refusal(response: Promise<Response>): Promise<unknown[]> {
  const answer = await response;
  const { code, message } = (await answer.json()) as { code: string; message: string };
  return [answer.status, code, message];
}

test("a session is made with an empty body, null, or a directory that is made for it", async () => {
  for (const body of [undefined, "", "null", "{}"]) expect(await open(body)).toMatch(/^[0-9a-f-]{36}$/);
  const directory = join(daemon.workspace, "made/for/it");
  expect(textsOf(await run(await open({ cwd: directory }), "pwd"), "stdout")).toEqual([directory]);
  expect(existsSync(directory)).toBe(true);
});

test("the first event names the session, and state lasts from run to run", async () => {
  const session = await open();
  const events = await run(session, "cd /; plain=1; f() { echo f; }; echo out; echo err >&2");
  expect(events[0]).toMatchObject({ type: "init", text: session });
  expect([textsOf(events, "stdout"), textsOf(events, "stderr")]).toEqual([["out"], ["err"]]);
  expect(textsOf(await run(session, "pwd; echo $plain; echo; f"), "stdout")).toEqual(["/", "1", "\n", "f"]);
});

test("a failing command, a timeout and an exit end with one error, and the session goes on", async () => {
  const session = await open();
  for (const [command, more, evalue, traceback] of [
    ["sh -c 'exit 7'", {}, "7", "exit status 7"],
    ["exit 9", {}, "9", "exit status 9"],
    ["sleep 100", { timeout: 200 }, "-1", "signal: killed (timed out after 0.2 s)"],
  ] as const) {
    const events = await run(session, `seen="$seen x"; ${command}`, more);
    expect(events.map(({ type }) => type)).toEqual(["init", "error"]);
    expect(events[1]?.error).toEqual({ ename: "CommandExecError", evalue, traceback: [traceback] });
  }
  expect(textsOf(await run(session, "echo $seen"), "stdout")).toEqual(["x x x"]);
});

test("a client that goes away takes its command with it, and the session stays", async () => {
  const session = await open();
  const client = new AbortController();
  const body = { command: "left=here; echo up; sleep 1000; echo not here" };
  for await (const { event } of framesOf(await send(`/session/${session}/run`, body, "POST", client.signal)))
    if (event.type === "stdout") break;
  client.abort();
  expect(textsOf(await run(session, "echo $left"), "stdout")).toEqual(["here"]);
});

test("an interrupt by the session's id ends what it is doing and nothing else", async () => {
  const session = await open();
  await run(session, "kept=1");
  const events: StreamEvent[] = [];
  for await (const { event } of framesOf(
    await send(`/session/${session}/run`, { command: "echo up; sleep 1000" }),
  )) {
    events.push(event);
    if (event.type === "stdout")
      expect((await send(`/command?id=${session}`, undefined, "DELETE")).status).toBe(200);
  }
  expect(events.at(-1)?.error?.evalue).toBe("-1");
  expect(textsOf(await run(session, "echo $kept"), "stdout")).toEqual(["1"]);
});

test("deleting a session ends everything in it", async () => {
  const session = await open();
  const [pid] = textsOf(await run(session, "sleep 1000 & echo $!"), "stdout");
  const answer = await send(`/session/${session}`, undefined, "DELETE");
  expect([answer.status, answer.headers.get("content-length")]).toEqual([200, "0"]);
  await until(() => "XZ".includes(readStat(Number(pid))?.state ?? "X"));
  expect(await refusal(send(`/session/${session}`, undefined, "DELETE"))).toEqual([
    404,
    "CONTEXT_NOT_FOUND",
    `session ${session} not found`,
  ]);
});

test("what cannot be run in a session is refused as such", async () => {
  const session = await open();
  const path = `/session/${session}/run`;
  expect((await refusal(send(path, { command: "" })))[0]).toBe(400);
  expect((await refusal(send(path, { command: "true", timeout: -1 })))[0]).toBe(400);
  expect((await refusal(send(path, { command: "true", cwd: "/no/such" })))[2]).toBe(
    "working directory does not exist: /no/such",
  );
  expect((await refusal(send("/session/none/run", { command: "true" })))[2]).toBe(
    "error running in session. context not found",
  );
});

test("the file of environment variables and those of the other API are in new sessions", async () => {
  await run(await open(), `echo FROM_FILE=file >> "$EXECD_ENVS"`);
  await daemon.fetch("/env", {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ env_vars: { FROM_HOPX: "hopx" } }),
  });
  expect(textsOf(await run(await open(), 'echo "$FROM_FILE $FROM_HOPX"'), "stdout")).toEqual(["file hopx"]);
});

test("a daemon that is stopped tells those who listen how their runs ended, and waits for nobody else's", async () => {
  await using stopped = await TestDaemon.start({ env: { SANDERLING_SHUTDOWN_GRACE_MS: "100" } });
  const post = (path: string, body: object) =>
    stopped.execd(path, { method: "POST", body: JSON.stringify(body) });
  const { session_id } = (await (await post("/session", {})).json()) as { session_id: string };
  await eventsOf(await post("/command", { command: "sleep 1000", background: true }));
  const streams = [
    await post(`/session/${session_id}/run`, { command: "echo up; sleep 1000" }),
    await post("/command", { command: "echo up; sleep 1000" }),
  ];
  const told = streams.map(async (stream) => {
    const events: StreamEvent[] = [];
    for await (const { event } of framesOf(stream)) events.push(event);
    return events.at(-1)?.error?.traceback;
  });
  const traceback = ["signal: terminated (cancelled (shutdown))"];
  await until(async () => (await stopped.execd("/ping")).ok);
  expect(await stopped.stop()).toBe(0);
  expect(await Promise.all(told)).toEqual([traceback, traceback]);
});
