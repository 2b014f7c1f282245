import { timingSafeEqual } from "node:crypto";
import type { ZmtpMessage } from "./zmtp-connection.ts";
import type { SkippedFrame } from "./zmtp-frame.ts";

/**
 * Messages of the Jupyter protocol 5.x on the wire: `<IDS|MSG>`, the signature, four JSON objects, buffers
 * (jupyter-client.readthedocs.io, "Messaging in Jupyter", The Wire Protocol). Pure.
 */

const DELIMITER = "<IDS|MSG>";
const PROTOCOL_VERSION = "5.3";
/** Identities of routers and topics of publishers stand before the delimiter. */
const MOST_PREFIXES = 16;

/** What was received is no message of our kernel: damaged, unsigned or signed with another key. */
export class MessageError extends Error {
  override readonly name = "MessageError";
}

export type JsonObject = Readonly<Record<string, unknown>>;

export interface Message {
  readonly id: string;
  readonly type: string;
  /** The id of the request that this is about; empty when there is none. */
  readonly parentId: string;
  /** Undefined: too large to be held, and therefore not verified. */
  readonly content: JsonObject | undefined;
  /** Bytes on the wire of the content and what comes with it. */
  readonly contentBytes: number;
}

export interface Session {
  /** Names this client in the headers of its messages. */
  readonly id: string;
  /** Key of the signatures; empty: none are made or checked. */
  readonly key: string;
}

const encoder = new TextEncoder();
/** Kernels written in Python send bytes that were undecodable to them as they were: U+FFFD in their place. */
const decoder = new TextDecoder();

/** The frames of a request. */
export function encodeMessage(session: Session, id: string, type: string, content: JsonObject): Uint8Array[] {
  const header = {
    msg_id: id,
    msg_type: type,
    username: "sanderling",
    session: session.id,
    date: new Date().toISOString(),
    version: PROTOCOL_VERSION,
  };
  const parts = [header, {}, {}, content].map((part) => encoder.encode(JSON.stringify(part)));
  return [encoder.encode(DELIMITER), encoder.encode(sign(session.key, parts)), ...parts];
}

/**
 * Reads a message of a kernel.
 * @throws MessageError when it is damaged or not signed with the session's key.
 */
export function decodeMessage(session: Session, frames: ZmtpMessage): Message {
  const at = delimiterIndex(frames);
  const [signature, header, parent, metadata, content, ...buffers] = frames.slice(at + 1);
  if (content === undefined) throw new MessageError("a message has too few frames");
  const head = [signature, header, parent, metadata].map(heldFrame);
  const [signed, headerBytes, parentBytes] = head;
  const isHeld = content instanceof Uint8Array;
  if (isHeld && signed) verify(session.key, signed, [...head.slice(1), content]);
  const fields = parseObject("header", headerBytes);
  return {
    id: textField(fields, "msg_id"),
    type: textField(fields, "msg_type"),
    parentId: optionalText(parseObject("parent header", parentBytes), "msg_id"),
    content: isHeld ? parseObject("content", content) : undefined,
    contentBytes: [content, ...buffers].reduce((sum, frame) => sum + sizeOf(frame), 0),
  };
}

function delimiterIndex(frames: ZmtpMessage): number {
  const at = frames
    .slice(0, MOST_PREFIXES + 1)
    .findIndex((frame) => frame instanceof Uint8Array && Buffer.from(frame).equals(Buffer.from(DELIMITER)));
  if (at < 0) throw new MessageError(`a message has no ${DELIMITER}`);
  return at;
}

function sign(key: string, parts: readonly Uint8Array[]): string {
  if (key === "") return "";
  const hmac = new Bun.CryptoHasher("sha256", key);
  for (const part of parts) hmac.update(part);
  return hmac.digest("hex");
}

function verify(key: string, given: Uint8Array, parts: readonly Uint8Array[]): void {
  if (key === "") return;
  const expected = encoder.encode(sign(key, parts));
  const isSame = given.byteLength === expected.byteLength && timingSafeEqual(given, expected);
  if (!isSame) throw new MessageError("a message is not signed with the key of this kernel");
}

function heldFrame(frame: Uint8Array | SkippedFrame | undefined): Uint8Array {
  if (frame instanceof Uint8Array) return frame;
  throw new MessageError("the header of a message is too large");
}

function parseObject(what: string, bytes: Uint8Array | undefined): JsonObject {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    // Checked on the spot: an object that is not an array has fields by name.
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch (cause) {
    throw new MessageError(`the ${what} of a message is not JSON`, { cause });
  }
  throw new MessageError(`the ${what} of a message is not an object`);
}

function textField(fields: JsonObject, name: string): string {
  const value = fields[name];
  if (typeof value === "string" && value !== "") return value;
  throw new MessageError(`the header of a message has no ${name}`);
}

function optionalText(fields: JsonObject, name: string): string {
  const value = fields[name];
  return typeof value === "string" ? value : "";
}

function sizeOf(frame: Uint8Array | SkippedFrame): number {
  return frame instanceof Uint8Array ? frame.byteLength : frame.skippedBytes;
}
