/** Where a reader of one stream stands between two pieces. */
export interface TextPosition {
  /** Bytes told so far. */
  readonly offset: number;
  /** `after_cr`: a line feed that follows belongs to the line told; `within`: the line told so far has no end yet. */
  readonly state: "fresh" | "after_cr" | "within";
}

/** Takes pieces of text as UTF-8, which may have bytes in it that are none. */
export interface PieceSink {
  /** Whether it wants no more for now. */
  readonly isFull: boolean;
  /** @param bytes Only lent: they change after the call. @param position After the piece. */
  piece(bytes: Buffer, position: TextPosition): void;
}

/** Takes the bytes of one stream and tells them as text, in pieces that do not depend on how the bytes came. */
export interface TextTeller {
  readonly position: TextPosition;
  /** Tells until the sink is full; @returns how many of the bytes it took, at least one. */
  push(bytes: Uint8Array, sink: PieceSink): number;
  /** What was held back, at the end of the stream. */
  flush(sink: PieceSink): void;
  /** These bytes are lost. */
  skip(length: number): void;
}

export const TEXT_START: TextPosition = { offset: 0, state: "fresh" };
/** A longer line is told in pieces, so that a line of any length takes bounded memory. */
export const LONGEST_PIECE_BYTES = 64 * 1024;

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The longest beginning of at most `limit` bytes that cuts no UTF-8 character in half. */
export function cutOf(bytes: Buffer, limit: number): number {
  for (let start = limit - 1; start >= 0 && start >= limit - 3; start--) {
    const byte = bytes[start] ?? 0;
    const isContinuation = (byte & 0xc0) === 0x80;
    if (isContinuation) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return start + length > limit ? start : limit;
  }
  return limit;
}
