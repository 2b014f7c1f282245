import {
  asBuffer,
  cutOf,
  LONGEST_PIECE_BYTES,
  type PieceSink,
  type TextPosition,
  type TextTeller,
} from "./pieces.ts";

const LF = 10;
const CR = 13;
const LINE_FEED = Buffer.from("\n");
const NOTHING = Buffer.alloc(0);

/**
 * Tells whole lines without their ends; LF, CR and CR LF end one, and an empty line is told as a line feed
 * (contracts/opensandbox-execd.md, 5.4).
 */
export class LineTeller implements TextTeller {
  #offset: number;
  #state: TextPosition["state"];
  readonly #held = new HeldBytes();

  constructor({ offset, state }: TextPosition) {
    this.#offset = offset;
    this.#state = state;
  }

  get position(): TextPosition {
    return { offset: this.#offset, state: this.#state };
  }

  push(bytes: Uint8Array, sink: PieceSink): number {
    const chunk = asBuffer(bytes);
    const ends = new LineEnds(chunk);
    let at = 0;
    while (at < chunk.byteLength && !sink.isFull) {
      const end = ends.from(at);
      const until = end < 0 ? chunk.byteLength : end;
      if (this.#held.byteLength + until - at > LONGEST_PIECE_BYTES) at = this.#tellBeginning(chunk, at, sink);
      else if (end < 0) at = this.#hold(chunk, at);
      else {
        this.#endLine(chunk.subarray(at, end), chunk[end] === CR, sink);
        at = end + 1;
      }
    }
    return at;
  }

  flush(sink: PieceSink): void {
    if (this.#held.byteLength > 0) this.#tell(this.#held.take(), sink);
  }

  skip(length: number): void {
    this.#offset += this.#held.take().byteLength + length;
    this.#state = "fresh";
  }

  #hold(chunk: Buffer, at: number): number {
    this.#held.add(chunk.subarray(at));
    return chunk.byteLength;
  }

  /** Tells a piece of a line that is too long for one; @returns where the rest of it begins. */
  #tellBeginning(chunk: Buffer, at: number, sink: PieceSink): number {
    if (this.#held.byteLength === 0) {
      const length = cutOf(chunk.subarray(at), LONGEST_PIECE_BYTES);
      this.#tell(chunk.subarray(at, at + length), sink);
      return at + length;
    }
    const next = at + LONGEST_PIECE_BYTES - this.#held.byteLength;
    this.#held.add(chunk.subarray(at, next));
    const whole = this.#held.take();
    const length = cutOf(whole, LONGEST_PIECE_BYTES);
    this.#tell(whole.subarray(0, length), sink);
    // Held anew: the piece was lent out of the same memory.
    if (length < whole.byteLength) this.#held.add(Buffer.from(whole.subarray(length)));
    return next;
  }

  /** Tells the first bytes of a line whose end is still to come. */
  #tell(piece: Buffer, sink: PieceSink): void {
    this.#offset += piece.byteLength;
    this.#state = "within";
    sink.piece(piece, this.position);
  }

  /** Tells nothing where the end belongs to what has been told already. */
  #endLine(rest: Buffer, isReturn: boolean, sink: PieceSink): void {
    const line = this.#held.byteLength === 0 ? rest : this.#held.take(rest);
    const isSecondOfPair = this.#state === "after_cr" && !isReturn;
    const isTold = this.#state === "within";
    this.#offset += line.byteLength + 1;
    this.#state = isReturn ? "after_cr" : "fresh";
    if (line.byteLength > 0) sink.piece(line, this.position);
    else if (!isSecondOfPair && !isTold) sink.piece(LINE_FEED, this.position);
  }
}

/** Tells text as it comes, line ends included; only a character that is cut in half waits for its rest. */
export class VerbatimTeller implements TextTeller {
  #offset: number;
  /** Less than one character. */
  #held = NOTHING;

  constructor({ offset }: TextPosition) {
    this.#offset = offset;
  }

  get position(): TextPosition {
    return { offset: this.#offset, state: "fresh" };
  }

  push(bytes: Uint8Array, sink: PieceSink): number {
    const held = this.#held.byteLength;
    const all = held === 0 ? asBuffer(bytes) : Buffer.concat([this.#held, bytes]);
    this.#held = NOTHING;
    let at = 0;
    while (at < all.byteLength && !sink.isFull) {
      const length = cutOf(all.subarray(at), Math.min(LONGEST_PIECE_BYTES, all.byteLength - at));
      if (length === 0) {
        this.#held = Buffer.from(all.subarray(at));
        return bytes.byteLength;
      }
      this.#tell(all.subarray(at, at + length), sink);
      at += length;
    }
    return at - held;
  }

  flush(sink: PieceSink): void {
    if (this.#held.byteLength > 0) this.#tell(this.#held, sink);
    this.#held = NOTHING;
  }

  skip(length: number): void {
    this.#offset += this.#held.byteLength + length;
    this.#held = NOTHING;
  }

  #tell(piece: Buffer, sink: PieceSink): void {
    this.#offset += piece.byteLength;
    sink.piece(piece, this.position);
  }
}

/** The beginning of a line whose end has not come: at most one piece, however many chunks it comes in. */
class HeldBytes {
  #bytes = NOTHING;
  #length = 0;

  get byteLength(): number {
    return this.#length;
  }

  add(bytes: Buffer): void {
    const length = this.#length + bytes.byteLength;
    if (length > this.#bytes.byteLength) {
      const larger = Buffer.allocUnsafe(Math.max(length, Math.min(2 * length, LONGEST_PIECE_BYTES)));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    bytes.copy(this.#bytes, this.#length);
    this.#length = length;
  }

  /** All of it, with what follows; good until more is added. */
  take(rest: Buffer = NOTHING): Buffer {
    if (rest.byteLength > 0) this.add(rest);
    const all = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return all;
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
