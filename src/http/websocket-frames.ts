import { randomFillSync } from "node:crypto";
import type { Socket } from "node:net";

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** One whole message, or a control frame (RFC 6455, 5.2). */
export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** A larger message is an error: it has to be in memory to be sent on. */
const MOST_MESSAGE_BYTES = 64 * 2 ** 20;

/**
 * The messages that a server sends, fragments joined, control frames between them told at once.
 * @throws Error for what is no frame, is masked or is too large.
 */
export async function* readFrames(
  chunks: AsyncIterable<Uint8Array>,
  head: Uint8Array,
): AsyncGenerator<Frame> {
  let waiting: Buffer = Buffer.from(head);
  let parts: Buffer[] = [];
  let kind = 0;
  let size = 0;
  for await (const chunk of withFirst(chunks)) {
    waiting = waiting.byteLength > 0 ? Buffer.concat([waiting, chunk]) : Buffer.from(chunk);
    for (let frame = parseFrame(waiting); frame; frame = parseFrame(waiting)) {
      waiting = waiting.subarray(frame.bytes);
      if (frame.opcode >= OPCODES.close) {
        yield { opcode: frame.opcode, payload: frame.payload };
        continue;
      }
      if (frame.opcode !== OPCODES.continuation) kind = frame.opcode;
      size += frame.payload.byteLength;
      if (size > MOST_MESSAGE_BYTES) throw new Error("a message is too large");
      parts.push(frame.payload);
      if (!frame.isFinal) continue;
      yield { opcode: kind, payload: Buffer.concat(parts, size) };
      parts = [];
      size = 0;
    }
  }
}

/** What came with the handshake may already be a frame. */
async function* withFirst(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(0);
  yield* chunks;
}

interface ParsedFrame extends Frame {
  readonly isFinal: boolean;
  readonly bytes: number;
}

/** undefined while it is not whole. */
function parseFrame(bytes: Buffer): ParsedFrame | undefined {
  if (bytes.byteLength < 2) return undefined;
  const [first, second] = [bytes.readUInt8(0), bytes.readUInt8(1)];
  if ((first & 0x70) !== 0) throw new Error("a frame uses an extension that was not agreed on");
  if ((second & 0x80) !== 0) throw new Error("a server's frame is masked");
  const short = second & 0x7f;
  const start = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.byteLength < start) return undefined;
  const length =
    short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  if (length > MOST_MESSAGE_BYTES) throw new Error("a message is too large");
  if (bytes.byteLength < start + length) return undefined;
  return {
    isFinal: (first & 0x80) !== 0,
    opcode: first & 0x0f,
    payload: bytes.subarray(start, start + length),
    bytes: start + length,
  };
}

/** Sends one frame as a client; settles when there is room for more. */
export async function sendFrame(socket: Socket, opcode: number, payload: Uint8Array): Promise<void> {
  if (socket.destroyed || !socket.writable) return;
  if (socket.write(encodeFrame(opcode, payload))) return;
  await new Promise<void>((resolve) => {
    socket.once("drain", resolve).once("close", () => resolve());
  });
}

function encodeFrame(opcode: number, payload: Uint8Array): Buffer {
  const { byteLength: length } = payload;
  const size = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = Buffer.alloc(2 + size + 4 + length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (size === 0 ? length : size === 2 ? 126 : 127);
  if (size === 2) frame.writeUInt16BE(length, 2);
  if (size === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  const mask = randomFillSync(frame.subarray(2 + size, 6 + size));
  const body = frame.subarray(6 + size);
  for (let at = 0; at < length; at++) body[at] = (payload[at] ?? 0) ^ (mask[at & 3] ?? 0);
  return frame;
}

/** The code and the reason in a close frame; 1005 stands for none (RFC 6455, 7.1.5). */
export function readClose(payload: Buffer): { code: number; reason: string } {
  if (payload.byteLength < 2) return { code: 1005, reason: "" };
  return { code: payload.readUInt16BE(0), reason: payload.toString("utf8", 2) };
}

export function closePayload(code: number, reason: string): Buffer {
  // These are for programs to tell each other, and never stand in a frame.
  if (code === 1005 || code === 1006 || code === 1015) return Buffer.alloc(0);
  const payload = Buffer.concat([Buffer.alloc(2), Buffer.from(reason)]);
  payload.writeUInt16BE(code, 0);
  return payload;
}
