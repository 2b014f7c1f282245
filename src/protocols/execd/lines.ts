/** Where a reader of one stream stands between two pieces. */
export interface TextPosition {
  /** Bytes told so far. */
  readonly offset: number;
  /** `after_cr`: a line feed that follows belongs to the line told; `within`: the line told so far has no end yet. */
  readonly state: "fresh" | "after_cr" | "within";
}

/** A stretch of output as it is told, with the position after it. */
export interface Piece {
  readonly text: string;
  readonly position: TextPosition;
}

/** Takes the bytes of one stream and tells them as text, in pieces that do not depend on how the bytes came. */
export interface TextTeller {
  readonly position: TextPosition;
  push(bytes: Uint8Array): Generator<Piece, void>;
  /** What was held back, at the end of the stream. */
  flush(): Generator<Piece, void>;
  /** These bytes are lost. */
  skip(length: number): void;
}

export const TEXT_START: TextPosition = { offset: 0, state: "fresh" };
/** A longer line is told in pieces, so that a line of any length takes bounded memory. */
export const LONGEST_PIECE_BYTES = 64 * 1024;

const LF = 10;
const CR = 13;
const NOTHING = Buffer.alloc(0);

/**
 * Tells whole lines without their ends; LF, CR and CR LF end one, and an empty line is told as a line feed
 * (contracts/opensandbox-execd.md, 5.4).
 */
export class LineTeller implements TextTeller {
  #position: TextPosition;
  /** The beginning of a line whose end has not come. */
  #held: Buffer = NOTHING;

  constructor(position: TextPosition) {
    this.#position = position;
  }

  get position(): TextPosition {
    return this.#position;
  }

  *push(bytes: Uint8Array): Generator<Piece, void> {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const ends = new LineEnds(chunk);
    let at = 0;
    for (let end = ends.from(0); end >= 0; end = ends.from(at)) {
      if (end > at) this.#hold(chunk.subarray(at, end));
      while (this.#isLong) yield this.#take(cutOf(this.#held, LONGEST_PIECE_BYTES));
      const line = this.#endLine(chunk[end] === CR);
      if (line) yield line;
      at = end + 1;
    }
    if (at < chunk.byteLength) this.#hold(chunk.subarray(at));
    while (this.#isLong) yield this.#take(cutOf(this.#held, LONGEST_PIECE_BYTES));
  }

  *flush(): Generator<Piece, void> {
    if (this.#held.byteLength > 0) yield this.#take(this.#held.byteLength);
  }

  skip(length: number): void {
    const offset = this.#position.offset + this.#held.byteLength + length;
    this.#held = NOTHING;
    this.#position = { offset, state: "fresh" };
  }

  get #isLong(): boolean {
    return this.#held.byteLength > LONGEST_PIECE_BYTES;
  }

  #hold(bytes: Buffer): void {
    this.#held = this.#held.byteLength === 0 ? bytes : Buffer.concat([this.#held, bytes]);
  }

  /** Tells the first bytes of the line that is held; its end is still to come. */
  #take(length: number): Piece {
    const text = this.#held.toString("utf8", 0, length);
    this.#held = this.#held.subarray(length);
    this.#position = { offset: this.#position.offset + length, state: "within" };
    return { text, position: this.#position };
  }

  /** Undefined where the end belongs to what has been told already. */
  #endLine(isReturn: boolean): Piece | undefined {
    const { offset, state } = this.#position;
    const text = this.#held.toString("utf8");
    const isSecondOfPair = state === "after_cr" && !isReturn && text === "";
    const isTold = state === "within" && text === "";
    this.#position = {
      offset: offset + this.#held.byteLength + 1,
      state: isReturn ? "after_cr" : "fresh",
    };
    this.#held = NOTHING;
    if (isSecondOfPair || isTold) return undefined;
    return { text: text === "" ? "\n" : text, position: this.#position };
  }
}

/** Tells text as it comes, line ends included; only a character that is cut in half waits for its rest. */
export class VerbatimTeller implements TextTeller {
  #position: TextPosition;
  #held: Buffer = NOTHING;

  constructor(position: TextPosition) {
    this.#position = position;
  }

  get position(): TextPosition {
    return this.#position;
  }

  *push(bytes: Uint8Array): Generator<Piece, void> {
    this.#held = Buffer.concat([this.#held, bytes]);
    while (this.#held.byteLength > LONGEST_PIECE_BYTES)
      yield this.#take(cutOf(this.#held, LONGEST_PIECE_BYTES));
    const whole = cutOf(this.#held, this.#held.byteLength);
    if (whole > 0) yield this.#take(whole);
  }

  *flush(): Generator<Piece, void> {
    if (this.#held.byteLength > 0) yield this.#take(this.#held.byteLength);
  }

  skip(length: number): void {
    this.#position = { offset: this.#position.offset + this.#held.byteLength + length, state: "fresh" };
    this.#held = NOTHING;
  }

  #take(length: number): Piece {
    const text = this.#held.toString("utf8", 0, length);
    this.#held = this.#held.subarray(length);
    this.#position = { offset: this.#position.offset + length, state: "fresh" };
    return { text, position: this.#position };
  }
}

/** Finds ends of lines; each kind is looked for once, not again after each end of the other. */
class LineEnds {
  readonly #bytes: Buffer;
  #feed = -2;
  #return = -2;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The first end at or after `at`, or -1. */
  from(at: number): number {
    if (this.#feed !== -1 && this.#feed < at) this.#feed = this.#bytes.indexOf(LF, at);
    if (this.#return !== -1 && this.#return < at) this.#return = this.#bytes.indexOf(CR, at);
    if (this.#feed < 0) return this.#return;
    return this.#return < 0 ? this.#feed : Math.min(this.#feed, this.#return);
  }
}

/** The longest beginning of at most `limit` bytes that cuts no UTF-8 character in half. */
function cutOf(bytes: Buffer, limit: number): number {
  for (let start = limit - 1; start >= 0 && start >= limit - 3; start--) {
    const byte = bytes[start] ?? 0;
    const isContinuation = (byte & 0xc0) === 0x80;
    if (isContinuation) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return start + length > limit ? start : limit;
  }
  return limit;
}
