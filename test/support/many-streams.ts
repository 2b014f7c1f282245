import { join } from "node:path";
import type { TestDaemon } from "./daemon.ts";
import { SocketClient, type StreamMessage } from "./socket-client.ts";

/** What every stream carries, again and again: numbered lines, so that no piece of it looks like another. */
const PERIOD_BYTES = 100_000;
const PATTERN = Array.from({ length: PERIOD_BYTES / 10 }, (_, i) => `${String(i).padStart(9, "0")}\n`).join(
  "",
);
/** Enough to compare any message with, from wherever it begins. */
const COMPARED = PATTERN + PATTERN;
const TICKS_A_SECOND = 10;

export interface ManyStreams {
  readonly streams: number;
  readonly seconds: number;
  readonly bytesPerSecond: number;
}

export interface ManyResult {
  /** Of those that were read: whole, in order, and with a true end. */
  readonly whole: number;
  readonly bytes: number;
  /** From the first start to the last end. */
  readonly seconds: number;
  /** Highest resident memory of the daemon. */
  readonly peakBytes: number;
}

/** Runs many programs that print at a steady pace, each to a reader of its own; one reader never reads. */
export async function streamMany(
  daemon: TestDaemon,
  { streams, seconds, bytesPerSecond }: ManyStreams,
): Promise<ManyResult> {
  const names = Array.from({ length: streams }, (_, i) => join(daemon.workspace, `pipe-${i}`));
  expectZero(await Bun.spawn(["mkfifo", ...names]).exited, "mkfifo");
  const started = performance.now();
  const block = bytesPerSecond / TICKS_A_SECOND;
  const writer = startWriter(names, block, seconds * TICKS_A_SECOND);
  using mute = await neverRead(daemon, `exec cat ${names[0] ?? ""}`);
  const expected = block * seconds * TICKS_A_SECOND;
  const read = await Promise.all(
    names.slice(1).map((name) => readWhole(daemon, `exec cat ${name}`, expected)),
  );
  expectZero(await writer.exited, "the writer");
  if (mute.isClosed) throw new Error("the reader that never reads was closed");
  expectZero(await Bun.spawn(["rm", ...names]).exited, "rm");
  return {
    whole: read.filter(Boolean).length,
    bytes: expected * streams,
    seconds: (performance.now() - started) / 1000,
    peakBytes: await peakMemory(daemon.child.pid),
  };
}

/** Prints into all pipes in turn, each tick a block. */
function startWriter(names: readonly string[], block: number, ticks: number) {
  const program = `
    const { openSync, writeSync } = require("node:fs");
    const pattern = Buffer.from(process.env.PATTERN);
    const fds = JSON.parse(process.env.NAMES).map((name) => openSync(name, "w"));
    const [block, ticks] = [${block}, ${ticks}];
    const began = performance.now();
    for (let tick = 0; tick < ticks; tick++) {
      const at = (tick * block) % pattern.length;
      const bytes = Buffer.concat([pattern.subarray(at), pattern, pattern]).subarray(0, block);
      for (const fd of fds) for (let done = 0; done < block;) done += writeSync(fd, bytes, done);
      const wait = began + (tick + 1) * ${1000 / TICKS_A_SECOND} - performance.now();
      if (wait > 0) await Bun.sleep(wait);
    }`;
  const env = { ...process.env, PATTERN, NAMES: JSON.stringify(names) };
  return Bun.spawn([process.execPath, "-e", program], { env, stdout: "inherit", stderr: "inherit" });
}

async function readWhole(daemon: TestDaemon, command: string, expected: number): Promise<boolean> {
  await using client = await SocketClient.open(daemon, "/commands/stream");
  const { promise: ended, resolve } = Promise.withResolvers<boolean>();
  let offset = 0;
  let wrong = 0;
  client.socket.onmessage = ({ data }) => {
    const message = JSON.parse(String(data)) as StreamMessage;
    if (message.type === "stdout") {
      const at = offset % PERIOD_BYTES;
      if (message.offset !== offset || COMPARED.slice(at, at + message.length) !== message.data) wrong++;
      offset += message.length;
    } else if (message.type === "complete") resolve(message["success"] === true);
    else if (!["started", "result"].includes(message.type)) wrong++;
  };
  client.send({ type: "execute", command, timeout: 600 });
  return (await ended) && wrong === 0 && offset === expected;
}

/** Starts a run over a connection that reads nothing of it. */
async function neverRead(daemon: TestDaemon, command: string) {
  const { hostname, port } = new URL(daemon.url);
  const state = { isClosed: false };
  const accepted: PromiseWithResolvers<void> = Promise.withResolvers();
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: { data: () => accepted.resolve(), close: () => void (state.isClosed = true) },
  });
  const handshake = [
    "GET /commands/stream HTTP/1.1",
    `Host: ${hostname}`,
    `Authorization: Bearer ${daemon.token}`,
    "User-Agent: test",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
  ];
  socket.write(`${handshake.join("\r\n")}\r\n\r\n`);
  await accepted.promise;
  socket.pause();
  socket.write(textFrame(JSON.stringify({ type: "execute", command, timeout: 600 })));
  return {
    get isClosed() {
      return state.isClosed;
    },
    [Symbol.dispose]: () => socket.terminate(),
  };
}

/** A frame as clients send it, masked with zeros (RFC 6455, 5.2). */
function textFrame(text: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  const header = new Uint8Array(8);
  header.set([0x81, 0x80 | 126, payload.byteLength >> 8, payload.byteLength & 0xff]);
  return Buffer.concat([header, payload]);
}

/** The kernel's own high-water mark. */
async function peakMemory(pid: number): Promise<number> {
  const status = await Bun.file(`/proc/${pid}/status`).text();
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

function expectZero(code: number, what: string): void {
  if (code !== 0) throw new Error(`${what} ended with code ${code}`);
}
