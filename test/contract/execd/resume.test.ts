import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";
import { eventsOf, framesOf, textsOf, type StreamFrame } from "../../support/event-stream.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ withPython: true });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const post = (path: string, body: object, init: RequestInit = {}) =>
  daemon.execd(path, { method: "POST", body: JSON.stringify(body), ...init });

async function framesOfAll(response: Response): Promise<StreamFrame[]> {
  const frames: StreamFrame[] = [];
  for await (const frame of framesOf(response)) if (frame.event.type !== "ping") frames.push(frame);
  return frames;
}

const told = (frames: readonly StreamFrame[]) =>
  frames.map(({ id, event: { type, text, results, error } }) => ({ id, type, text, results, error }));

/** Everything that makes telling lines difficult, in several writes. */
const DIFFICULT = [
  "printf 'one\\r'; sleep 0.02; printf '\\ntwo\\n\\n\\r\\rthree'; sleep 0.02; printf ' more\\n'",
  "echo to stderr >&2; printf 'half \\303'; sleep 0.02; printf '\\274 bad \\377\\n'; printf 'partly' >&2",
  "head -c 200000 /dev/zero | tr '\\0' 'x'; printf '\\n\\342'; sleep 0.02; printf '\\202\\254'; printf ' done' >&2",
].join("; ");

test("a stream cut at every frame boundary goes on byte for byte", async () => {
  const response = await post("/command", { command: DIFFICULT });
  const id = response.headers.get("execd-execution-id") ?? "";
  const whole = await framesOfAll(response);
  expect(whole.length).toBeGreaterThan(14);
  expect(new Set(whole.map((frame) => frame.id)).size).toBe(whole.length);
  for (const [at, { id: last = "" }] of whole.slice(0, -1).entries()) {
    const rest = await daemon.execd(`/command/${id}/events`, { headers: { "Last-Event-ID": last } });
    expect(told(await framesOfAll(rest))).toEqual(told(whole.slice(at + 1)));
    const query = await daemon.execd(`/command/${id}/events?last_event_id=${encodeURIComponent(last)}`);
    expect(told(await framesOfAll(query))).toEqual(told(whole.slice(at + 1)));
  }
  expect(told(await framesOfAll(await daemon.execd(`/command/${id}/events`)))).toEqual(told(whole));
});

test("a client that is cut off again and again while the command runs misses and doubles nothing", async () => {
  const numbers = Array.from({ length: 60 }, (_, i) => String(i));
  const command = "i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.005; done";
  const seen: string[] = [];
  let last = "";
  for (let isOver = false; !isOver;) {
    const client = new AbortController();
    const headers: Record<string, string> = last === "" ? {} : { "Last-Event-ID": last };
    // The same request again, as clients that reconnect by themselves send it.
    const response = await post("/command", { command }, { headers, signal: client.signal });
    let count = 0;
    for await (const { id, event } of framesOf(response)) {
      last = id ?? last;
      if (event.type === "stdout") seen.push(event.text ?? "");
      isOver = event.type === "execution_complete";
      if (++count === 3 && !isOver) break;
    }
    client.abort();
  }
  expect(seen).toEqual(numbers);
});

test("a client that has had everything is told that there is no more", async () => {
  const frames = await framesOfAll(await post("/command", { command: "true" }));
  const headers = { "Last-Event-ID": frames.at(-1)?.id ?? "" };
  expect((await post("/command", { command: "true" }, { headers })).status).toBe(204);
});

test("an id that is none, of another run or of one that is forgotten is refused, and nothing runs", async () => {
  const marker = join(daemon.workspace, "must-not-be");
  const command = `touch ${marker}`;
  const refused = async (last: string) =>
    (await post("/command", { command }, { headers: { "Last-Event-ID": last } })).status;
  expect(await refused("nonsense")).toBe(400);
  expect(await refused(`${"0".repeat(32)}:0.0.0`)).toBe(404);
  expect(await Bun.file(marker).exists()).toBe(false);
});

test("a session's command is told again after its end, and code with its results", async () => {
  const session = ((await (await post("/session", {})).json()) as { session_id: string }).session_id;
  const inSession = await framesOfAll(
    await post(`/session/${session}/run`, { command: "echo a; echo b; exit 3" }),
  );
  const run = (inSession[0]?.id ?? "").split(":")[0] ?? "";
  for (const [at, { id: last = "" }] of inSession.slice(0, -1).entries()) {
    const rest = await daemon.execd(`/command/${run}/events`, { headers: { "Last-Event-ID": last } });
    expect(told(await framesOfAll(rest))).toEqual(told(inSession.slice(at + 1)));
  }
  const code = [
    "from IPython.display import display, HTML",
    "print('first'); display(HTML('<b>bold</b>')); print('schön')",
    "display({'text/plain': 'plain'}, raw=True)",
    "print('last', end=''); 1 / 0",
  ].join("\n");
  const whole = await framesOfAll(await post("/code", { code, context: { language: "python" } }));
  expect(whole.at(-1)?.event.error?.ename).toBe("ZeroDivisionError");
  for (const { id: last = "" } of whole.slice(0, -1)) {
    const at = whole.findIndex(({ id }) => id === last);
    const rest = await post("/code", { code: "no" }, { headers: { "Last-Event-ID": last } });
    expect(told(await framesOfAll(rest)).map(({ type }) => type)).toEqual(
      whole.slice(at + 1).map(({ event }) => event.type),
    );
  }
}, 60_000);

test("a reader that does not read costs nobody anything, and gets all of it in the end", async () => {
  const marker = join(daemon.workspace, "written");
  const lines = 400_000;
  const slow = await post("/command", { command: `seq ${lines}; touch ${marker}` });
  // The command is through long before anybody has read a line.
  await until(() => Bun.file(marker).exists());
  expect((await eventsOf(await post("/command", { command: "echo quick" }))).at(-1)?.type).toBe(
    "execution_complete",
  );
  const texts = textsOf(await eventsOf(slow), "stdout");
  expect(texts.length).toBe(lines);
  expect(texts.at(-1)).toBe(String(lines));
}, 60_000);
