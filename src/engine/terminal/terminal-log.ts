import type { Stream } from "../run.ts";
import { ReplayRing } from "./replay-ring.ts";

/** A stretch of output. */
export interface Piece {
  /** Absolute offset of the first byte, over both streams and all lives of the session. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Undefined for bytes so old that only their order is known. */
  readonly stream: Stream | undefined;
}

/** A stretch of one stream: what is before `end` and not in an earlier one. */
interface Segment {
  readonly stream: Stream;
  end: number;
}

/** Two streams that alternate byte by byte would need a segment each. */
const MOST_SEGMENTS = 4096;

/**
 * What a session printed, in order of arrival: the one log that all of its readers pull from, each at its own
 * offset. What is read is in memory and read at once, so nothing can come between a look and the next.
 */
export class TerminalLog {
  readonly #ring: ReplayRing;
  #segments: Segment[] = [];
  /** Before this the stream of a byte is no longer known. */
  #knownFrom = 0;
  #change: PromiseWithResolvers<void> | undefined;

  /** @param capacity Bytes kept for readers that come later or are slow. */
  constructor(readonly capacity: number) {
    this.#ring = new ReplayRing(capacity);
  }

  get start(): number {
    return this.#ring.start;
  }

  get end(): number {
    return this.#ring.end;
  }

  append(stream: Stream, bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    this.#ring.append(bytes);
    const last = this.#segments.at(-1);
    if (last?.stream === stream) last.end = this.end;
    else this.#segments.push({ stream, end: this.end });
    if (this.#segments.length > MOST_SEGMENTS) this.#forgetOldest();
    this.wake();
  }

  /** At most `limit` bytes of one stream from `offset` on, which must be held; undefined when there are none yet. */
  read(offset: number, limit: number): Piece | undefined {
    if (offset >= this.end || limit <= 0) return undefined;
    const { stream, end } = this.#segmentAt(offset);
    const bytes = this.#ring.read(offset, Math.min(limit, end - offset));
    return { offset, bytes, stream };
  }

  /** Settles at the next `append` or `wake`. */
  changed(): Promise<void> {
    this.#change ??= Promise.withResolvers();
    return this.#change.promise;
  }

  /** Lets everyone in `changed` look again. */
  wake(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }

  #segmentAt(offset: number): { readonly stream: Stream | undefined; readonly end: number } {
    if (offset < this.#knownFrom) return { stream: undefined, end: this.#knownFrom };
    // Readers are near the end, as a rule.
    let index = this.#segments.length - 1;
    while (index > 0 && (this.#segments[index - 1]?.end ?? 0) > offset) index--;
    return this.#segments[index] ?? { stream: undefined, end: this.end };
  }

  #forgetOldest(): void {
    const forgotten = this.#segments.splice(0, MOST_SEGMENTS / 2);
    this.#knownFrom = forgotten.at(-1)?.end ?? this.#knownFrom;
  }
}
