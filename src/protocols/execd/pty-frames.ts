import type { Stream } from "../../engine/run.ts";
import type { Message } from "../../http/websocket.ts";
import { clientFrame, type ClientFrame } from "./pty-schema.ts";

/** The first byte of a binary frame (contracts/opensandbox-execd.md, 8.3). */
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, replay: 3 } as const;

/** Words for what is refused or goes wrong on a connection. */
export type PtyErrorCode =
  | "SESSION_GONE"
  | "START_FAILED"
  | "STDIN_WRITE_FAILED"
  | "INVALID_FRAME"
  | "ALREADY_CONNECTED"
  | "TAKEN_OVER"
  | "READ_ONLY";

export function outputFrame(stream: Stream, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(1 + bytes.byteLength);
  frame[0] = CHANNEL[stream];
  frame.set(bytes, 1);
  return frame;
}

/** Output that tells its absolute offset: what a client missed, and what follows a gap. */
export function replayFrame(offset: number, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(9 + bytes.byteLength);
  frame[0] = CHANNEL.replay;
  new DataView(frame.buffer).setBigUint64(1, BigInt(offset));
  frame.set(bytes, 9);
  return frame;
}

/** What a client sent: bytes to type, or a text frame. */
export type Received =
  | { readonly type: "bytes"; readonly bytes: Uint8Array }
  | ClientFrame
  | { readonly type: "unknown"; readonly name: string };

/** Undefined for what means nothing: other channels, empty frames, text that is no JSON object. */
export function readFrame(message: Message): Received | undefined {
  if (typeof message !== "string")
    return message.byteLength > 1 && message[0] === CHANNEL.stdin
      ? { type: "bytes", bytes: message.subarray(1) }
      : undefined;
  const value = parse(message);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const frame = clientFrame.safeParse(value);
  if (frame.success) return frame.data;
  const name = "type" in value ? value.type : undefined;
  return { type: "unknown", name: typeof name === "string" ? name : "" };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
