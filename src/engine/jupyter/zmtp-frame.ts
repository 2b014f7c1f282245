/**
 * Frames of ZMTP 3.0 (rfc.zeromq.org/spec/23): a byte of flags, the length in one byte or eight, the body.
 * Pure: bytes in, frames out.
 */

const MORE = 0x01;
const LONG = 0x02;
const COMMAND = 0x04;
const RESERVED = 0xf8;
const LONGEST_SHORT_BODY = 255;
/** Commands are a few names and values: READY, ERROR, PING. */
const LARGEST_COMMAND = 64 * 1024;

/** What a peer sent is not ZMTP as we speak it; the connection is of no further use. */
export class ZmtpError extends Error {
  override readonly name = "ZmtpError";
}

/** A frame too large to be held: its bytes went by unread. */
export interface SkippedFrame {
  readonly skippedBytes: number;
}

export type Frame =
  | { readonly kind: "command"; readonly body: Uint8Array }
  | { readonly kind: "message"; readonly more: boolean; readonly body: Uint8Array | SkippedFrame };

/** The bytes of a frame, in pieces so that a large body is not copied. */
export function encodeFrame(kind: "command" | "message", body: Uint8Array, more: boolean): Uint8Array[] {
  const flags = (kind === "command" ? COMMAND : 0) | (more ? MORE : 0);
  if (body.byteLength <= LONGEST_SHORT_BODY) return [Uint8Array.of(flags, body.byteLength), body];
  const head = new Uint8Array(9);
  head[0] = flags | LONG;
  new DataView(head.buffer).setBigUint64(1, BigInt(body.byteLength));
  return [head, body];
}

interface Head {
  readonly isCommand: boolean;
  readonly more: boolean;
  readonly length: number;
}

/** Takes a connection apart into frames, however its bytes are cut. Holds at most one frame of `limit` bytes. */
export class FrameParser {
  #head = new Uint8Array(9);
  #headLength = 0;
  #current: Head | undefined;
  #body: Uint8Array | undefined;
  #bodyLength = 0;

  /**
   * The frames that end within `bytes`.
   * @param limit Asked at the start of each message frame: the most bytes it may have to be held.
   * @throws ZmtpError when these are no frames.
   */
  *push(bytes: Uint8Array, limit: () => number): Generator<Frame, void> {
    let at = 0;
    for (;;) {
      if (this.#current === undefined) at = this.#readHead(bytes, at, limit);
      const head = this.#current;
      if (head === undefined) return;
      at = this.#readBody(bytes, at, head);
      if (this.#bodyLength < head.length) return;
      yield this.#take(head);
    }
  }

  #readHead(bytes: Uint8Array, start: number, limit: () => number): number {
    let at = start;
    while (at < bytes.byteLength) {
      this.#head[this.#headLength++] = bytes[at++] ?? 0;
      const flags = this.#head[0] ?? 0;
      if ((flags & RESERVED) !== 0) throw new ZmtpError(`reserved bits are set in a frame: ${flags}`);
      if (this.#headLength < ((flags & LONG) === 0 ? 2 : 9)) continue;
      this.#begin(flags, limit);
      return at;
    }
    return at;
  }

  #begin(flags: number, limit: () => number): void {
    const view = new DataView(this.#head.buffer);
    const length = (flags & LONG) === 0 ? (this.#head[1] ?? 0) : Number(view.getBigUint64(1));
    const isCommand = (flags & COMMAND) !== 0;
    const more = (flags & MORE) !== 0;
    if (!Number.isSafeInteger(length)) throw new ZmtpError("a frame claims more bytes than can be counted");
    if (isCommand && more) throw new ZmtpError("a command says that more of it follows");
    if (isCommand && length > LARGEST_COMMAND) throw new ZmtpError(`a command of ${length} bytes`);
    this.#headLength = 0;
    this.#bodyLength = 0;
    this.#current = { isCommand, more, length };
    this.#body = isCommand || length <= limit() ? new Uint8Array(0) : undefined;
  }

  #readBody(bytes: Uint8Array, at: number, { length }: Head): number {
    const piece = bytes.subarray(at, at + length - this.#bodyLength);
    if (this.#body) this.#keep(this.#body, piece, length);
    this.#bodyLength += piece.byteLength;
    return at + piece.byteLength;
  }

  /** Memory is taken as bytes arrive, not as they are announced. */
  #keep(body: Uint8Array, piece: Uint8Array, length: number): void {
    const needed = this.#bodyLength + piece.byteLength;
    if (needed > body.byteLength) {
      const grown = new Uint8Array(Math.min(length, Math.max(needed, 2 * body.byteLength)));
      grown.set(body.subarray(0, this.#bodyLength));
      this.#body = grown;
    }
    this.#body?.set(piece, this.#bodyLength);
  }

  #take({ isCommand, more, length }: Head): Frame {
    const body = this.#body;
    this.#current = undefined;
    this.#body = undefined;
    if (body === undefined) return { kind: "message", more, body: { skippedBytes: length } };
    return isCommand ? { kind: "command", body } : { kind: "message", more, body };
  }
}
