import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CLIENT_PYTHON, runProgram } from "../../support/clients.ts";
import { TEST_API_KEY, TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";
import { SocketClient, textOf, type StreamMessage } from "../../support/socket-client.ts";

let daemon: TestDaemon;
/** What is in the tester's own start-up files is not part of the test. */
let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "terminal-home-"));
  daemon = await TestDaemon.start({ env: { HOME: home } });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const open = (query = "") => SocketClient.open(daemon, `/terminal${query}`);

/** Everything shown so far. */
function shown({ messages }: SocketClient): string {
  return textOf(messages, "output");
}

async function said(client: SocketClient, pattern: RegExp): Promise<void> {
  await until(() => pattern.test(shown(client)));
}

function input(client: SocketClient, data: string): void {
  client.send({ type: "input", data });
}

interface Session {
  readonly session_id: string;
  readonly [field: string]: unknown;
}

async function sessions(): Promise<Session[]> {
  const { sessions } = (await (await daemon.fetch("/terminal/sessions")).json()) as { sessions: Session[] };
  return sessions;
}

async function make(body: object): Promise<Session> {
  const { body: session, status } = await daemon.post("/terminal/sessions", body);
  expect(status).toBe(201);
  return session as unknown as Session;
}

async function end(session: string): Promise<void> {
  expect((await daemon.fetch(`/terminal/sessions/${session}`, { method: "DELETE" })).status).toBe(200);
}

test.each([
  ["JavaScript", ["node", "test/contract/hopx/clients/terminal.mjs"]],
  ["Python", [CLIENT_PYTHON, "test/contract/hopx/clients/terminal_client.py"]],
])(
  "the %s library types, reads, resizes and sees the end",
  async (_, argv) => {
    const result = await runProgram([...argv, daemon.url, daemon.sandboxId, TEST_API_KEY]);
    expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/ok\n$/) as string });
  },
  60_000,
);

test("a connection is a shell in the workspace, and ends with it", async () => {
  await using client = await open();
  input(client, 'pwd; stty size; echo "$TERM $HOME"; exit 3\r');
  const close = await client.closed;
  const [exit] = client.messages.slice(-1);
  expect(exit).toMatchObject({
    type: "exit",
    code: 3,
    end: { cause: "exited", description: "exited with code 3" },
  });
  expect(shown(client)).toContain(`${daemon.workspace}\r\n24 80\r\nxterm-256color ${home}\r\n`);
  expect(client.messages.slice(0, -1).every(({ type }) => type === "output")).toBe(true);
  expect([close.code, await sessions()]).toEqual([1000, []]);
});

test("closing the window hangs up", async () => {
  const client = await open();
  input(client, "echo $$; trap 'exit' TERM; sleep 1000\r");
  await said(client, /^\d+\r$/m);
  const [session] = await sessions();
  expect(session).toMatchObject({ running: true, held: true, name: null });
  client.socket.close();
  await until(async () => (await sessions()).length === 0);
});

test("the sandbox's variables are seen, and PATH is that of every run", async () => {
  await daemon.fetch("/env", {
    method: "PATCH",
    body: '{"env_vars":{"FROM_API":"ünï"}}',
    headers: { "content-type": "application/json" },
  });
  const path = (await daemon.post("/commands/run", { command: 'printf %s "$PATH"' })).body.stdout;
  await using client = await open();
  input(client, 'echo "<$FROM_API|$PATH>"; exit\r');
  await client.closed;
  expect(shown(client)).toContain(`<ünï|${path}>`);
});

test("characters are never cut, whatever the pieces, and offsets count bytes", async () => {
  await using client = await open(
    "?command=" + encodeURIComponent("for i in $(seq 20000); do printf '€😀é'; done"),
  );
  await client.closed;
  const outputs = client.messages.filter(({ type }) => type === "output");
  expect(shown(client)).toBe("€😀é".repeat(20_000));
  let at = 0;
  for (const { data, offset, length } of outputs) {
    expect([offset, length]).toEqual([at, Buffer.byteLength(data)]);
    at += length;
  }
});

test("a named session is detached, listed, attached again with replay from another client, and lost nothing", async () => {
  {
    await using first = await open("?session=work&cols=100&rows=30");
    const [attached] = await first.upTo("attached");
    expect(attached).toMatchObject({ name: "work", role: "holder", cols: 100, rows: 30, offset: 0 });
    input(first, "name=kept; (sleep 0.2; seq 5000; echo fi''nished) &\r");
    await said(first, /name=kept/);
  }
  const [listed] = await until(async () => {
    const all = await sessions();
    return all[0]?.["held"] === false ? all : undefined;
  });
  expect(listed).toMatchObject({ name: "work", running: true, cols: 100, rows: 30, viewers: 0 });
  await using second = await open("?session=work");
  await said(second, /^finished\r$/m);
  expect(shown(second)).toContain(Array.from({ length: 5000 }, (_, i) => `${i + 1}\r\n`).join(""));
  input(second, "echo $name; exit\r");
  await second.closed;
  expect(shown(second)).toMatch(/^kept\r$/m);
  expect(second.messages.at(-1)).toMatchObject({ type: "exit", code: 0 });
  // Who was away is told the end too, until the session is deleted.
  await using late = await open(`?session=${listed?.session_id ?? ""}&since=5`);
  await late.closed;
  expect(shown(late)).toBe(Buffer.from(shown(second)).subarray(5).toString());
  expect((await sessions())[0]).toMatchObject({ running: false, exit_code: 0 });
  await using again = await open("?session=work&restart=1");
  input(again, "echo re''started; exit\r");
  await again.closed;
  expect(shown(again)).toContain("restarted");
  await end("work");
  expect(await sessions()).toEqual([]);
});

test("a session cut at every message and continued from its offset shows the same", async () => {
  const script = 'stty -echo; for i in $(seq 3000); do echo "$i ünïcödé ✓"; done; read -rs _';
  const whole = await make({ name: "whole", command: script });
  await using all = await open("?session=whole");
  await said(all, /^3000 /m);
  const wanted = shown(all).trimEnd();
  expect(Buffer.byteLength(wanted)).toBeGreaterThan(50_000);
  let text = "";
  let since = 0;
  while (text.length < wanted.length) {
    await using part = await open(`?session=${whole.session_id}&mode=viewer&since=${since}`);
    const message = (await part.upTo("output")).at(-1) as StreamMessage;
    expect(message.offset).toBe(since);
    text += message.data;
    since += message.length;
  }
  expect(text.trimEnd()).toBe(wanted);
  await end("whole");
});

test("one holds, another takes over, viewers look and do not touch", async () => {
  await make({ name: "shared" });
  await using first = await open("?session=shared");
  await first.upTo("attached");
  const refused = await daemon.fetch("/terminal?session=shared");
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([409, "CONFLICT"]);
  await using viewer = await open("?session=shared&mode=viewer");
  await viewer.upTo("attached");
  input(viewer, "echo in''trusion\r");
  viewer.send({ type: "resize", cols: 10, rows: 10 });
  const errors = await until(() => {
    const all = viewer.messages.filter(({ type }) => type === "error");
    return all.length === 2 ? all : undefined;
  });
  expect(errors.map(({ code, refused }) => [code, refused])).toEqual([
    ["FORBIDDEN", "input"],
    ["FORBIDDEN", "resize"],
  ]);
  await using second = await open("?session=shared&takeover=1");
  const close = await first.closed;
  expect([close.code, first.messages.at(-1)]).toEqual([
    4001,
    { type: "detached", reason: "taken_over" } as never,
  ]);
  input(second, "stty size; echo fr''om second; exit\r");
  await Promise.all([second.closed, viewer.closed]);
  for (const client of [second, viewer]) expect(shown(client)).toMatch(/24 80\r\nfrom second\r\n/);
  expect(shown(viewer)).not.toContain("intrusion");
  await end("shared");
});

test("a ticket opens a terminal once, and one for looking only looks", async () => {
  await make({ name: "ticketed" });
  const ask = async (body: object) =>
    (await daemon.post("/tickets", body)).body as unknown as { url: string };
  const browser = { "User-Agent": "a browser" };
  const { url } = await ask({ path: "/terminal", query: { session: "ticketed" } });
  {
    await using client = await SocketClient.at(url, browser);
    input(client, "echo ty''ped\r");
    await said(client, /typed/);
  }
  expect(await SocketClient.at(url, browser).catch(() => "refused")).toBe("refused");
  const look = await ask({ path: "/terminal", query: { session: "ticketed" }, view_only: true });
  await using viewer = await SocketClient.at(look.url, browser);
  expect((await viewer.upTo("attached")).at(-1)?.["role"]).toBe("viewer");
  const bare = new URL("/terminal?session=ticketed", daemon.url).href.replace("http", "ws");
  expect(await SocketClient.at(bare, browser).catch(() => "refused")).toBe("refused");
  expect((await fetch(bare.replace("ws", "http"))).status).toBe(401);
  await end("ticketed");
});

test("a session is recorded for asciinema on request", async () => {
  const made = await make({
    name: "film",
    record: true,
    command: "read -r _; printf 'h\\u00e9llo'; read -r _",
  });
  expect(made["recording"]).toMatchObject({ state: "recording" });
  await using client = await open("?session=film");
  input(client, "\r");
  await said(client, /héllo/);
  const film = "/terminal/sessions/film/recording";
  expect((await daemon.fetch(film, { method: "POST" })).status).toBe(409);
  const stopped = (await (await daemon.fetch(film, { method: "DELETE" })).json()) as { state: string };
  expect(stopped.state).toBe("stopped");
  const file = await daemon.fetch(film);
  expect([file.headers.get("content-type"), file.headers.get("content-disposition")]).toEqual([
    "application/x-asciicast",
    'attachment; filename="film.cast"',
  ]);
  const [header, ...events] = (await file.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  expect(header).toMatchObject({ version: 2, width: 80, height: 24 });
  expect((events as [number, string, string][]).map(([, , data]) => data).join("")).toContain("héllo");
  await end("film");
  expect((await daemon.fetch(film)).status).toBe(404);
});

test("what makes no sense is refused before the upgrade, and bad messages leave the connection open", async () => {
  const status = async (query: string) => (await daemon.fetch(`/terminal${query}`)).status;
  expect(await status("?session=5b0d1f5e-0000-4000-8000-000000000000")).toBe(404);
  for (const query of ["?mode=viewer", "?record=1", "?cols=0", "?mode=other", "?session=", "?session=a/b"])
    expect(await status(query)).toBe(400);
  expect(await status("")).toBe(426);
  await using client = await open();
  for (const odd of [
    { type: "dance" },
    { type: "resize", cols: 0, rows: 1 },
    { type: "signal", signal: "SIGNOPE" },
    { type: "input" },
  ])
    client.send(odd);
  client.socket.send("not json");
  client.socket.send("");
  client.send({ type: "ping" });
  await client.upTo("pong");
  expect(
    client.messages.filter(({ type }) => type === "error").map(({ code, refused }) => [code, refused]),
  ).toEqual([
    ["INVALID_REQUEST", "dance"],
    ["INVALID_REQUEST", "resize"],
    ["INVALID_REQUEST", "signal"],
    ["INVALID_REQUEST", "input"],
    ["INVALID_JSON", "message"],
  ]);
  input(client, "exit\r");
  await client.closed;
});

test("a session that cannot start is an error, on a connection and in an answer", async () => {
  const { status, body } = await daemon.post("/terminal/sessions", { cwd: "/no/such/place" });
  expect([status, body.code]).toEqual([400, "INVALID_REQUEST"]);
  await using client = await open("?cwd=/no/such/place");
  const close = await client.closed;
  expect([client.messages[0]?.type, client.messages[0]?.["code"], close.code]).toEqual([
    "error",
    "TERMINAL_UNAVAILABLE",
    1011,
  ]);
  expect(await sessions()).toEqual([]);
});

test("one session too many is an error that says so", async () => {
  await using small = await TestDaemon.start({ env: { SANDERLING_MAX_TERMINALS: "1" } });
  await using first = await SocketClient.open(small, "/terminal?session=first");
  await first.upTo("attached");
  await using second = await SocketClient.open(small, "/terminal");
  const close = await second.closed;
  expect([second.messages[0]?.["error"], close.code]).toEqual([
    "Cannot open another terminal session: there are 1, which is the limit",
    1011,
  ]);
});

test("sessions of the other API are the same sessions", async () => {
  const made = (await (await daemon.execd("/pty", { method: "POST" })).json()) as { session_id: string };
  expect((await sessions()).map(({ session_id }) => session_id)).toEqual([made.session_id]);
  await using client = await open(`?session=${made.session_id}`);
  input(client, "echo bo''th; exit\r");
  await client.closed;
  expect(shown(client)).toContain("both");
  const state = (await (await daemon.execd(`/pty/${made.session_id}`)).json()) as { output_offset: number };
  expect(state.output_offset).toBe(Buffer.byteLength(shown(client)));
  await end(made.session_id);
});
