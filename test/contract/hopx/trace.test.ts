import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { TestDaemon } from "../../support/daemon.ts";
import { eventsOf, textsOf } from "../../support/event-stream.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ env: { OTEL_EXPORTER_OTLP_HEADERS: "authorization=secret" } });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;
const SHOW = "echo ${TRACEPARENT:-none} ${TRACESTATE:-none}";

describe("a trace that a client began", () => {
  test("goes on in commands and code, with its state", async () => {
    const headers = { traceparent: PARENT, tracestate: "vendor=1,other=2" };
    const { body } = await daemon.post("/commands/run", { command: SHOW }, { headers });
    expect(body.stdout).toBe(`${PARENT} vendor=1,other=2\n`);
    const code = await daemon.post("/execute", { code: SHOW, language: "bash" }, { headers });
    expect(code.body.stdout).toBe(`${PARENT} vendor=1,other=2\n`);
    const execd = await daemon.execd("/command", {
      method: "POST",
      body: JSON.stringify({ command: SHOW }),
      headers,
    });
    expect(await execd.text()).toContain(PARENT);
  });

  test("goes on in each command of a shell session, and no further", async () => {
    const opened = await daemon.execd("/session", { method: "POST" });
    const { session_id } = (await opened.json()) as { session_id: string };
    const say = async (command: string, headers: Record<string, string> = {}) => {
      const body = JSON.stringify({ command });
      const answer = await daemon.execd(`/session/${session_id}/run`, { method: "POST", body, headers });
      return textsOf(await eventsOf(answer), "stdout").join();
    };
    const next = PARENT.replace("b7ad", "c8be");
    expect(await say(`sh -c '${SHOW}'`)).toBe("none none");
    expect(await say(`sh -c '${SHOW}'`, { traceparent: PARENT, tracestate: "a=1" })).toBe(`${PARENT} a=1`);
    expect(await say(`echo $?; sh -c '${SHOW}'`, { traceparent: next })).toBe(`0,${next} none`);
    expect(await say(SHOW)).toBe("none none");
    expect(await say("export TRACEPARENT=own", { traceparent: PARENT })).toBe("");
    expect(await say(`sh -c '${SHOW}'`, { traceparent: next, tracestate: "a=1" })).toBe("own none");
  });

  test("is not begun for a client without one, and gives way to a variable of the request", async () => {
    expect((await daemon.post("/commands/run", { command: SHOW })).body.stdout).toBe("none none\n");
    const env = { TRACEPARENT: "own" };
    const { body } = await daemon.post(
      "/commands/run",
      { command: SHOW, env },
      { headers: { traceparent: PARENT } },
    );
    expect(body.stdout).toBe("own none\n");
  });

  test.each([
    "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    `00-${TRACE}-0000000000000000-01`,
    `ff-${TRACE}-b7ad6b7169203331-01`,
    `00-${TRACE}-b7ad6b7169203331-01-more`,
    "00-nonsense-b7ad6b7169203331-01",
    `$(touch /tmp/x)`,
  ])("is left out where the header is not as the standard has it: %s", async (traceparent) => {
    const { body } = await daemon.post("/commands/run", { command: SHOW }, { headers: { traceparent } });
    expect(body.stdout).toBe("none none\n");
  });

  test("is named in errors of both APIs, in the record and in the log", async () => {
    const headers = { traceparent: PARENT, "x-request-id": "traced-1" };
    const refused = await daemon.fetch("/files/read?path=/no/such/file", { headers });
    expect(await refused.json()).toMatchObject({ trace_id: TRACE, request_id: "traced-1" });
    const execd = await daemon.execd("/files/info?path=/no/such/file", { headers });
    expect(execd.status).toBe(404);
    expect(await execd.json()).toMatchObject({ trace_id: TRACE });
    await daemon.post("/commands/run", { command: "true" }, { headers });
    const { entries } = (await (await daemon.fetch("/timeline?limit=1")).json()) as { entries: object[] };
    expect(entries[0]).toMatchObject({ trace_id: TRACE, request_id: "traced-1" });
    expect(await daemon.stop()).toBe(0);
    const lines = (await daemon.log)
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const [line] = lines.filter(
      ({ route, requestId }) => route === "/commands/run" && requestId === "traced-1",
    );
    expect(line).toMatchObject({ api: "hopx", level: "info", status: 200, traceId: TRACE, end: "exited" });
    expect(line?.["ms"]).toBeNumber();
    expect(line?.["runMs"]).toBeNumber();
    expect(line?.["runId"]).toStartWith("run_");
    expect(line?.["time"]).toBeString();
  });
});

test("OpenTelemetry's variables are the daemon's own: programs do not find them, nor what is secret in them", async () => {
  await using other = await TestDaemon.start({
    env: { OTEL_EXPORTER_OTLP_HEADERS: "authorization=secret", OTEL_SERVICE_NAME: "daemon" },
  });
  const { body } = await other.post("/commands/run", { command: "env | grep -c OTEL_" });
  expect(body.stdout).toBe("0\n");
});
