import { Packet } from "./packet.ts";
import type { Frame } from "./frames.ts";

/** What the server tells of itself when a connection begins. */
export interface ServerFacts {
  readonly idBase: number;
  readonly idMask: number;
  readonly mostRequestBytes: number;
  readonly firstKeycode: number;
  readonly lastKeycode: number;
  readonly root: number;
  readonly depth: number;
}

const PROTOCOL_MAJOR = 11;
const COOKIE_NAME = "MIT-MAGIC-COOKIE-1";

/** The first bytes of a connection, little-endian, with the cookie of the display. */
export function greeting(cookie: Uint8Array): Uint8Array {
  // Laid out as a request is, but for its first four bytes.
  const packet = new Packet("l".charCodeAt(0)).u16(0, COOKIE_NAME.length, cookie.byteLength, 0);
  const bytes = packet
    .text(COOKIE_NAME)
    .skip(-COOKIE_NAME.length & 3)
    .bytes(cookie)
    .finish();
  new DataView(bytes.buffer).setUint16(2, PROTOCOL_MAJOR, true);
  return bytes;
}

/** How long the answer to the greeting is, once its first 8 bytes are there. */
export function setupLength(head: Frame): number {
  return 8 + 4 * head.u16(6);
}

/** @throws Error with the server's words when it does not let us in. */
export function readSetup(answer: Frame): ServerFacts {
  if (answer.u8(0) !== 1) {
    const reason = new TextDecoder().decode(answer.bytes.subarray(8, 8 + answer.u8(1))).trim();
    throw new Error(`The display refused the connection: ${reason}`);
  }
  const vendorBytes = answer.u16(24);
  const screen = 40 + vendorBytes + (-vendorBytes & 3) + 8 * answer.u8(29);
  return {
    idBase: answer.u32(12),
    idMask: answer.u32(16),
    mostRequestBytes: 4 * answer.u16(26),
    firstKeycode: answer.u8(34),
    lastKeycode: answer.u8(35),
    root: answer.u32(screen),
    depth: answer.u8(screen + 38),
  };
}
