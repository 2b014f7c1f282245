import { ZmtpError } from "./zmtp-frame.ts";

/**
 * The beginning of a ZMTP connection: the greeting of 64 bytes and the READY command of the NULL mechanism
 * (rfc.zeromq.org/spec/23, "Greeting" and "The NULL Security Mechanism"). Pure.
 */

export const GREETING_BYTES = 64;
const MECHANISM = "NULL";
const READY = "READY";

/** Socket types that a kernel's sockets are spoken to with, and what may be at the other end. */
const PEERS = { DEALER: ["ROUTER", "REP", "DEALER"], SUB: ["PUB", "XPUB"] } as const;
export type SocketType = keyof typeof PEERS;

const text = new TextDecoder();
const bytesOf = (value: string) => new TextEncoder().encode(value);

/** Version 3.0, which later ones fall back to; what 3.1 adds is of no use to a client of kernels. */
export function greeting(): Uint8Array {
  const bytes = new Uint8Array(GREETING_BYTES);
  bytes[0] = 0xff;
  bytes[8] = 1;
  bytes[9] = 0x7f;
  bytes[10] = 3;
  bytes.set(bytesOf(MECHANISM), 12);
  return bytes;
}

/**
 * Looks at as much of a peer's greeting as there is, so that one that does not speak ZMTP is known by its
 * first byte instead of being waited for.
 * @throws ZmtpError
 */
export function checkGreeting(bytes: Uint8Array): void {
  if (bytes.byteLength > 0 && bytes[0] !== 0xff) throw new ZmtpError("the peer does not speak ZMTP");
  // The lowest bit tells versions since 2 from 1; libzmq sets all but the highest.
  if (bytes.byteLength > 9 && ((bytes[9] ?? 0) & 1) === 0) throw new ZmtpError("the peer speaks ZMTP 1");
  if (bytes.byteLength > 10 && (bytes[10] ?? 0) < 3)
    throw new ZmtpError(`the peer speaks ZMTP ${bytes[10] ?? 0}, not 3`);
  if (bytes.byteLength < 32) return;
  const mechanism = text.decode(bytes.subarray(12, 32)).replace(/\0+$/, "");
  if (mechanism !== MECHANISM)
    throw new ZmtpError(`the peer wants the mechanism ${JSON.stringify(mechanism)}, not ${MECHANISM}`);
}

/** The body of the READY command. */
export function ready(type: SocketType, identity: string): Uint8Array {
  const property = (name: string, value: string) => [
    Uint8Array.of(name.length),
    bytesOf(name),
    lengthOf(bytesOf(value)),
    bytesOf(value),
  ];
  return Buffer.concat([
    Uint8Array.of(READY.length),
    bytesOf(READY),
    ...property("Socket-Type", type),
    ...(identity === "" ? [] : property("Identity", identity)),
  ]);
}

/** @throws ZmtpError when the command is not READY, or of a socket that ours cannot speak to. */
export function checkReady(body: Uint8Array, type: SocketType): void {
  const { name, rest } = commandName(body);
  if (name === "ERROR") throw new ZmtpError(`the peer refuses: ${errorReason(rest)}`);
  if (name !== READY) throw new ZmtpError(`expected READY, got the command ${JSON.stringify(name)}`);
  const peer = properties(rest).get("socket-type");
  if (peer === undefined) throw new ZmtpError("the peer does not say what type of socket it is");
  const allowed: readonly string[] = PEERS[type];
  if (!allowed.includes(peer)) throw new ZmtpError(`a ${type} socket cannot speak to a ${peer} socket`);
}

/** The name of a command, and what follows it. @throws ZmtpError */
export function commandName(body: Uint8Array): { name: string; rest: Uint8Array } {
  const length = body[0] ?? 0;
  if (length === 0 || length + 1 > body.byteLength) throw new ZmtpError("a command has no name");
  return { name: text.decode(body.subarray(1, 1 + length)), rest: body.subarray(1 + length) };
}

function errorReason(rest: Uint8Array): string {
  return JSON.stringify(text.decode(rest.subarray(1, 1 + (rest[0] ?? 0))));
}

/** Names of properties are compared without regard to case. */
function properties(bytes: Uint8Array): Map<string, string> {
  const found = new Map<string, string>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.byteLength;) {
    const nameEnd = at + 1 + view.getUint8(at);
    if (nameEnd + 4 > bytes.byteLength) throw new ZmtpError("a property of READY is cut off");
    const valueEnd = nameEnd + 4 + view.getUint32(nameEnd);
    if (valueEnd > bytes.byteLength) throw new ZmtpError("a property of READY is cut off");
    const name = text.decode(bytes.subarray(at + 1, nameEnd)).toLowerCase();
    found.set(name, text.decode(bytes.subarray(nameEnd + 4, valueEnd)));
    at = valueEnd;
  }
  return found;
}

function lengthOf(value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value.byteLength);
  return bytes;
}
