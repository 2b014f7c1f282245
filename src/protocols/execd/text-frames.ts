import type { Stream } from "../../engine/run.ts";
import type { FrameBatch } from "./frame-batch.ts";
import type { PieceSink, TextPosition } from "./pieces.ts";
import { writeAround, writeOffset, type StreamPosition } from "./stream-position.ts";

const ZERO = 0x30;

/** The frames of one stream's output while nothing else is told: only offset, text and time differ. */
export class TextFrames implements PieceSink {
  readonly #batch: FrameBatch;
  readonly #head: FrameHead;
  #now = 0;
  #tail: Uint8Array = new Uint8Array(0);

  /** @param from Where the client stands. */
  constructor(batch: FrameBatch, from: StreamPosition, stream: Stream) {
    const [before, after] = writeAround(from, stream);
    this.#batch = batch;
    this.#head = new FrameHead(`id: ${before}`, `${after}\ndata: {"type":"${stream}","text":"`);
  }

  get isFull(): boolean {
    return this.#batch.isFull;
  }

  piece(bytes: Buffer, position: TextPosition): void {
    this.#batch.addText(this.#head.at(position), bytes, this.#end());
  }

  /** Written anew when the millisecond is over. */
  #end(): Uint8Array {
    const now = Date.now();
    if (now !== this.#now) this.#tail = Buffer.from(`","timestamp":${now}}\n\n`);
    this.#now = now;
    return this.#tail;
  }
}

/** The beginning of a frame, of which mostly the digits of one number change: it is not made anew for every line. */
class FrameHead {
  readonly #before: string;
  readonly #after: string;
  #bytes: Uint8Array = new Uint8Array(0);
  #digits = 0;
  /** The first offset with more digits than the last one written. */
  #limit = 0;
  #state: TextPosition["state"] = "fresh";

  constructor(before: string, after: string) {
    this.#before = before;
    this.#after = after;
  }

  /** Good until the next call. */
  at(position: TextPosition): Uint8Array {
    const { offset, state } = position;
    if (offset >= this.#limit || state !== this.#state) return this.#write(position);
    // Offsets only grow, so that there are as many digits as before.
    let rest = offset;
    for (let at = this.#before.length + this.#digits - 1; rest > 0; at--) {
      const next = Math.floor(rest / 10);
      this.#bytes[at] = ZERO + rest - next * 10;
      rest = next;
    }
    return this.#bytes;
  }

  #write(position: TextPosition): Uint8Array {
    this.#digits = String(position.offset).length;
    this.#limit = 10 ** this.#digits;
    this.#state = position.state;
    this.#bytes = Buffer.from(this.#before + writeOffset(position) + this.#after);
    return this.#bytes;
  }
}
