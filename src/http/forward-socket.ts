import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { ForwardFailure, type ForwardTarget } from "./forward.ts";
import { connectLoopback } from "./loopback.ts";
import { closePayload, OPCODES, readClose, readFrames, sendFrame } from "./websocket-frames.ts";
import { Upgrade, type WebSocketConnection } from "./websocket.ts";

const MOST_HEAD_BYTES = 64 * 1024;
/** RFC 6455, 1.3. */
const ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** The target took the request but did not make it a WebSocket; its status tells why. */
export class ForwardRefused extends Error {
  override readonly name = "ForwardRefused";
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Opens the WebSocket of a target, and only then the client's: until it is there the client can be told in HTTP
 * that it is not. Messages go on no faster than they are taken.
 * @throws ForwardFailure when nothing answers, ForwardRefused when it does not want to.
 */
export async function forwardSocket(request: Request, target: ForwardTarget): Promise<Upgrade> {
  const socket = await connectLoopback(target.port, request.signal).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ForwardFailure(`Nothing answers on port ${target.port}: ${reason}`, { cause });
  });
  try {
    const { protocol, rest } = await shakeHands(socket, target);
    const headers = protocol === undefined ? {} : { "Sec-WebSocket-Protocol": protocol };
    return new Upgrade((connection) => join(connection, socket, rest), headers);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function shakeHands(socket: Socket, { path, headers }: ForwardTarget) {
  const key = randomBytes(16).toString("base64");
  const dropped = [
    "sec-websocket-key",
    "sec-websocket-extensions",
    "sec-websocket-version",
    "content-length",
  ];
  const kept = Object.entries(headers).filter(([name]) => !dropped.includes(name));
  const lines = [
    `GET ${path} HTTP/1.1`,
    ...kept.map(([name, value]) => `${name}: ${value}`),
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    `sec-websocket-key: ${key}`,
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  const { head, rest } = await readHead(socket);
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0);
  if (status === 0) throw new ForwardFailure("The target did not answer in HTTP");
  const header = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, "im").exec(head)?.[1];
  if (status !== 101)
    throw new ForwardRefused(status, `The target refused the WebSocket with status ${status}`);
  const expected = createHash("sha1")
    .update(key + ACCEPT_SUFFIX)
    .digest("base64");
  if (header("sec-websocket-accept") !== expected)
    throw new ForwardFailure("The target's answer to the WebSocket handshake is wrong");
  return { protocol: header("sec-websocket-protocol"), rest };
}

/** The head of an answer, and what came after it. */
function readHead(socket: Socket): Promise<{ head: string; rest: Buffer }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ head: string; rest: Buffer }>();
  let bytes: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    const end = bytes.indexOf("\r\n\r\n");
    if (end >= 0) {
      socket.pause();
      resolve({ head: bytes.toString("latin1", 0, end), rest: bytes.subarray(end + 4) });
    } else if (bytes.byteLength > MOST_HEAD_BYTES)
      reject(new ForwardFailure("The target's answer is too long"));
  };
  const onEnd = () => reject(new ForwardFailure("The target hung up without an answer"));
  socket.on("data", onData).once("end", onEnd).once("error", reject);
  return promise.finally(() => {
    socket.off("data", onData).off("end", onEnd).off("error", reject);
  });
}

/** Carries messages both ways until either side closes; the other is told the same code and reason. */
async function join(connection: WebSocketConnection, socket: Socket, rest: Buffer): Promise<void> {
  // Told by the end of the iteration below.
  socket.on("error", () => undefined);
  const upwards = carryUp(connection, socket);
  await carryDown(connection, socket, rest);
  await upwards;
  socket.destroy();
}

async function carryUp(connection: WebSocketConnection, socket: Socket): Promise<void> {
  for await (const message of connection.messages()) {
    if (typeof message === "string") await sendFrame(socket, OPCODES.text, Buffer.from(message));
    else await sendFrame(socket, OPCODES.binary, message);
  }
  const { code, reason } = await connection.closed;
  if (code !== 1006) await sendFrame(socket, OPCODES.close, closePayload(code, reason));
  socket.end();
}

async function carryDown(connection: WebSocketConnection, socket: Socket, rest: Buffer): Promise<void> {
  try {
    for await (const { opcode, payload } of readFrames(socket, rest)) {
      if (opcode === OPCODES.text) await connection.send(payload.toString("utf8"));
      else if (opcode === OPCODES.binary) await connection.send(payload);
      else if (opcode === OPCODES.ping) await sendFrame(socket, OPCODES.pong, payload);
      else if (opcode === OPCODES.close) {
        const { code, reason } = readClose(payload);
        connection.close(code === 1005 ? 1000 : code, reason);
        return;
      }
    }
    connection.close(1001, "The server behind the proxy hung up");
  } catch (error) {
    connection.close(1011, error instanceof Error ? error.message : "");
  }
}
