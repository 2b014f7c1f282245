import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { TEST_ACCESS_TOKEN, TestDaemon } from "../../support/daemon.ts";
import { until, untilChildrenAre } from "../../support/engine.ts";
import { growthWhile } from "../../support/memory.ts";
import { makePty, PtyClient } from "../../support/pty-client.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const open = (id: string, query?: Readonly<Record<string, string>>) => PtyClient.open(daemon, id, query);

async function answer(path: string, init?: RequestInit) {
  const response = await daemon.execd(path, init);
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : (JSON.parse(text) as unknown), response };
}

test("a session is made, asked about and ended", async () => {
  const made = await daemon.execd("/pty", { method: "POST" });
  const { session_id: id } = (await made.json()) as { session_id: string };
  expect([made.status, /^[0-9a-f-]{36}$/.test(id)]).toEqual([201, true]);
  const state = { session_id: id, running: false, output_offset: 0 };
  expect(await answer(`/pty/${id}`)).toMatchObject({ status: 200, body: state });
  const ended = await answer(`/pty/${id}`, { method: "DELETE" });
  expect([ended.status, ended.body, ended.response.headers.get("content-length")]).toEqual([
    200,
    undefined,
    "0",
  ]);
  const gone = { status: 404, body: { code: "CONTEXT_NOT_FOUND", message: `pty session ${id} not found` } };
  for (const method of ["GET", "DELETE"]) expect(await answer(`/pty/${id}`, { method })).toMatchObject(gone);
  expect(await answer(`/pty/${id}/ws`)).toMatchObject(gone);
});

test("a bad body, a missing token and a plain request are refused before anything happens", async () => {
  expect(await answer("/pty", { method: "POST", body: "{" })).toMatchObject({
    status: 400,
    body: { code: "INVALID_REQUEST_BODY" },
  });
  expect((await answer("/pty", { method: "POST", body: '{"cwd":7}' })).status).toBe(400);
  const id = await makePty(daemon);
  const bare = await fetch(`${daemon.execdUrl}/pty/${id}/ws`, { headers: { Upgrade: "websocket" } });
  expect(bare.status).toBe(401);
  expect((await answer(`/pty/${id}/ws`)).status).toBe(426);
});

test("a directory is expanded and made", async () => {
  const wanted = join(daemon.workspace, "made/for this/shell");
  const id = await makePty(daemon, { cwd: `${wanted}/../shell`, command: "pwd" });
  expect(existsSync(wanted)).toBe(true);
  await using client = await open(id);
  await client.closed;
  expect(client.text).toBe(`${wanted}\r\n`);
  await using home = await open(await makePty(daemon, { cwd: "$HOME", command: '[ "$PWD" = "$HOME" ]' }));
  await home.closed;
  expect(home.frames.at(-1)).toEqual({ type: "exit", exit_code: 0 });
  const message = "path references undefined environment variables: NO_SUCH_NAME";
  expect(await answer("/pty", { method: "POST", body: '{"cwd":"$NO_SUCH_NAME"}' })).toMatchObject({
    status: 400,
    body: { message },
  });
});

test("a shell starts with the first connection, is typed to and ends with one exit frame and 1000", async () => {
  const id = await makePty(daemon);
  await using client = await open(id);
  expect(await client.told("connected")).toEqual({
    type: "connected",
    session_id: id,
    mode: "pty",
    role: "holder",
  });
  client.type("echo $((6 * 7)) $TERM; tput cols\r");
  await client.said(/42 xterm-256color\r\n80\r\n/);
  expect((await answer(`/pty/${id}`)).body).toMatchObject({ running: true });
  client.send({ type: "resize", cols: 133, rows: 41 });
  for (const odd of [{ cols: 0, rows: 5 }, { cols: "x" }, {}]) client.send({ type: "resize", ...odd });
  client.send({ type: "stdin", data: "stty size; exit 5\r" });
  const close = await client.closed;
  expect(client.text).toContain("41 133\r\n");
  expect([close.code, close.reason]).toEqual([1000, "process exited"]);
  expect(client.texts.slice(1)).toEqual([{ type: "exit", exit_code: 5 }]);
  expect(client.frames.at(-1)).toEqual({ type: "exit", exit_code: 5 });
  expect(client.binaries.every(({ channel, bytes }) => channel === 1 && bytes.length <= 32 * 1024)).toBe(
    true,
  );
  expect((await answer(`/pty/${id}`)).body).toMatchObject({
    running: false,
    output_offset: client.output.length,
  });
});

test("a command is run on the terminal, and the next connection runs it again with growing offsets", async () => {
  const id = await makePty(daemon, { command: "test -t 0 && echo on a terminal" });
  await using first = await open(id);
  await first.closed;
  expect(first.text).toBe("on a terminal\r\n");
  await using second = await open(id, { since: "3" });
  await second.closed;
  expect(second.text).toBe("a terminal\r\non a terminal\r\n");
  expect(second.binaries[0]).toMatchObject({ channel: 3, offset: 3 });
});

test("pipes keep stdout and stderr apart", async () => {
  const id = await makePty(daemon);
  await using client = await open(id, { pty: "0" });
  expect((await client.told("connected"))["mode"]).toBe("pipe");
  client.type("echo out; echo err >&2; test -t 0 || echo no terminal; exit 2\n");
  await client.closed;
  const of = (wanted: number) =>
    client.binaries
      .filter(({ channel }) => channel === wanted)
      .map(({ bytes }) => bytes.toString())
      .join("");
  expect([of(1), of(2), client.frames.at(-1)]).toEqual([
    "out\nno terminal\n",
    "err\n",
    { type: "exit", exit_code: 2 },
  ]);
});

test("signals go to what is in the foreground, and unknown ones nowhere", async () => {
  const id = await makePty(daemon);
  await using client = await open(id);
  client.type("stty -echo; echo re''ady; cat\r");
  await client.said(/^ready/m);
  client.type("from cat\r");
  await client.said(/^from cat/m);
  client.send({ type: "signal", signal: "SIGWINCH" });
  client.send({ type: "signal", signal: 2 });
  client.send({ type: "signal", signal: "SIGINT" });
  // What is typed while a shell takes its interrupt is thrown away by the shell.
  await client.said(/^from cat[^]*[#$] $/m);
  client.type("echo al''ive $?\r");
  await client.said(/alive 130/);
  client.send({ type: "signal", signal: "SIGKILL" });
  await client.closed;
  expect(client.frames.at(-1)).toEqual({ type: "exit", exit_code: 137 });
});

test("pings are answered, unknown frames told, and noise is ignored", async () => {
  const id = await makePty(daemon);
  await using client = await open(id);
  await client.told("connected");
  for (const noise of ["not json", "[1]", "7", "null", ""]) client.socket.send(noise);
  for (const noise of [[], [0], [9, 65], [1, 65]]) client.socket.send(new Uint8Array(noise));
  client.send({ type: "dance" });
  client.send({ type: "ping" });
  await client.told("pong");
  const told = client.texts.slice(1);
  expect(told.map(({ type, code }) => [type, code])).toEqual([
    ["error", "INVALID_FRAME"],
    ["pong", undefined],
  ]);
  client.type("echo still''here\r");
  await client.said(/stillhere/);
});

test("a stream cut at every frame and continued gives the very bytes of an uncut one", async () => {
  const command = `stty -echo; for i in $(seq 1 400); do printf '%s \\033[3%dmünïcödé ✓\\033[0m\\n' $i $((i % 8)); done; seq 1 60000; read -rs _; exit 6`;
  const play = async (connect: (id: string) => Promise<Buffer>) => {
    const id = await makePty(daemon, { command });
    return connect(id);
  };
  const whole = await play(async (id) => {
    await using client = await open(id);
    await client.said(/60000/);
    client.type("\r");
    await client.closed;
    return client.output;
  });
  expect(whole.length).toBeGreaterThan(300_000);
  let frames = 0;
  const cut = await play(async (id) => {
    const parts: Buffer[] = [];
    for (let since = 0; since < whole.length; frames++) {
      await using client = await open(id, { since: String(since), takeover: "1" });
      const frame = await until(() => client.binaries[0]);
      expect(frame.offset ?? since).toBe(since);
      parts.push(frame.bytes);
      since += frame.bytes.length;
    }
    await using last = await open(id, { since: String(whole.length), takeover: "1" });
    last.type("\r");
    await last.closed;
    expect(last.frames.map((frame) => "type" in frame && frame.type)).toEqual(["connected", "exit"]);
    return Buffer.concat(parts);
  });
  expect(frames).toBeGreaterThan(5);
  expect(cut.equals(whole)).toBe(true);
});

test("one client holds a session; another gets 409 until it takes over", async () => {
  const id = await makePty(daemon);
  await using first = await open(id);
  first.type("echo fr''om first\r");
  await first.said(/from first/);
  expect(await answer(`/pty/${id}/ws`)).toMatchObject({
    status: 409,
    body: { code: "ALREADY_CONNECTED" },
  });
  // A takeover that never becomes a WebSocket takes nothing.
  expect((await answer(`/pty/${id}/ws?takeover=1`)).status).toBe(426);
  first.type("echo st''ill here\r");
  await first.said(/still here/);
  await using second = await open(id, { takeover: "1" });
  const close = await first.closed;
  expect([close.code, close.reason, first.texts.at(-1)?.["code"]]).toEqual([
    4001,
    "TAKEN_OVER",
    "TAKEN_OVER",
  ]);
  await second.told("connected");
  expect(second.output.equals(first.output)).toBe(true);
  second.type("echo se''cond; exit\r");
  await second.closed;
  expect(second.text).toContain("second\r\n");
});

test("viewers see everything with its offsets, touch nothing, and are sent away when they insist", async () => {
  const id = await makePty(daemon);
  expect(await answer(`/pty/${id}/ws?mode=viewer`)).toMatchObject({
    status: 409,
    body: { code: "VIEWER_NOT_RUNNING" },
  });
  await using holder = await open(id);
  await holder.told("connected");
  await using viewer = await open(id, { mode: "viewer" });
  expect((await viewer.told("connected"))["role"]).toBe("viewer");
  await using clumsy = await open(id, { mode: "viewer" });
  const touches = [
    { type: "stdin", data: "exit\r" },
    { type: "signal", signal: "SIGKILL" },
    { type: "resize", cols: 10, rows: 10 },
  ];
  for (const touch of [...touches, ...touches]) clumsy.send(touch);
  const close = await clumsy.closed;
  const refused = clumsy.texts.filter(({ type }) => type === "error");
  expect([close.code, refused.length, refused.every(({ code }) => code === "READ_ONLY")]).toEqual([
    1008,
    5,
    true,
  ]);
  holder.type("stty size; exit\r");
  await Promise.all([holder.closed, viewer.closed]);
  expect(viewer.output.equals(holder.output)).toBe(true);
  expect(viewer.text).toContain("24 80\r\n");
  expect(viewer.binaries.every(({ channel }) => channel === 3)).toBe(true);
  let at = 0;
  for (const { offset, bytes } of viewer.binaries) {
    expect(offset).toBe(at);
    at += bytes.length;
  }
  expect(viewer.frames.at(-1)).toEqual({ type: "exit", exit_code: 0 });
});

test("a session outlives its client, and ends for all with its deletion", async () => {
  const id = await makePty(daemon);
  {
    await using client = await open(id);
    client.type("state=kept; echo go''ne\r");
    await client.said(/gone/);
  }
  await using client = await open(id, { since: "0" });
  client.type("echo $state\r");
  await client.said(/^kept/m);
  expect((await answer(`/pty/${id}`, { method: "DELETE" })).status).toBe(200);
  expect((await client.closed).code).toBe(1000);
  expect(client.frames.at(-1)).toEqual({ type: "exit", exit_code: 130 });
});

test("an offset older than what is kept begins at the oldest, and the frame tells which", async () => {
  const id = await makePty(daemon, { command: "stty raw; seq 1 400000; read -rs _" });
  {
    await using first = await open(id);
    await first.said(/\n400000\n/);
  }
  const { output_offset: end } = (await answer(`/pty/${id}`)).body as { output_offset: number };
  await using late = await open(id, { since: "1000" });
  await late.told("connected");
  expect(late.binaries[0]).toMatchObject({ channel: 3, offset: end - 2 ** 20 });
  expect(late.text.endsWith("\n399999\n400000\n")).toBe(true);
});

test("a holder that never reads stops neither its program nor a viewer nor a takeover, and costs bounded memory", async () => {
  const size = 256 * 2 ** 20;
  const id = await makePty(daemon, {
    command: `stty raw -echo; read -rsn1 _; head -c ${size} /dev/zero; read -rsn1 _`,
  });
  const { hostname, port } = new URL(daemon.execdUrl);
  const handshake = [
    `GET /pty/${id}/ws HTTP/1.1`,
    `Host: ${hostname}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
    "Sec-WebSocket-Version: 13",
    `X-EXECD-ACCESS-TOKEN: ${TEST_ACCESS_TOKEN}`,
  ];
  const deaf = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      open(socket) {
        socket.write(`${handshake.join("\r\n")}\r\n\r\n`);
        // One masked binary frame, channel 0, with a key: it lets the program begin.
        socket.write(new Uint8Array([0x82, 0x82, 0, 0, 0, 0, 0, 120]));
        socket.pause();
      },
      data: () => undefined,
    },
  });
  // The key itself may have been echoed.
  const printed = () =>
    until(
      async () => {
        const { output_offset } = (await answer(`/pty/${id}`)).body as { output_offset: number };
        return output_offset >= size && output_offset;
      },
      { deadlineMs: 50_000 },
    );
  const { value: end, bytes } = await growthWhile(daemon.child.pid, printed);
  expect(bytes).toBeLessThan(96 * 2 ** 20);
  await using second = await open(id, { takeover: "1", since: String(end - 5) });
  expect((await second.told("connected"))["role"]).toBe("holder");
  expect(second.output.byteLength).toBe(5);
  second.type("x");
  expect((await second.closed).code).toBe(1000);
  deaf.terminate();
}, 60_000);

test("a shell that cannot start is told on the connection", async () => {
  const directory = join(daemon.workspace, "soon gone");
  const id = await makePty(daemon, { cwd: directory });
  await rm(directory, { recursive: true });
  await using client = await open(id);
  const close = await client.closed;
  expect([client.texts[0]?.["code"], close.code]).toEqual(["START_FAILED", 1011]);
});

test("a daemon that is stopped ends its shells at once and says that it goes away", async () => {
  await using own = await TestDaemon.start({ env: { SANDERLING_KILL_GRACE_MS: "60000" } });
  const id = await makePty(own);
  const client = await PtyClient.open(own, id);
  client.type("sleep 1000 & nohup sleep 1000 & echo pid=$$\r");
  const [, pid = ""] = await client.said(/^pid=(\d+)/m);
  // Until they are other programs they ignore SIGTERM as the shell does, and would get the grace.
  await untilChildrenAre("sleep", Number(pid), 2);
  expect(await own.stop()).toBe(0);
  expect((await client.closed).code).toBe(1001);
  expect(existsSync(`/proc/${pid}`)).toBe(false);
});
