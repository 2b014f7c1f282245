import type { Cursor, RichEvent } from "../run.ts";

/** A rich event before it has its place in a run. */
export type NewRichEvent = RichEvent extends infer E
  ? E extends RichEvent
    ? Omit<E, "index">
    : never
  : never;

export interface RichEntry {
  readonly event: RichEvent;
  /** What the streams had carried when it came: readers tell those bytes first. */
  readonly at: Cursor;
  readonly bytes: number;
}

export interface RichLogLimits {
  readonly events: number;
  /** Of the values of all events together. */
  readonly bytes: number;
}

/**
 * What one run told beside bytes, in order and within bounds. At a bound the oldest are replaced by one mark
 * that says how many there were.
 */
export class RichLog {
  readonly #limits: RichLogLimits;
  #entries: RichEntry[] = [];
  /** Stands for everything before the first entry. */
  #mark: RichEntry | undefined;
  #first = 0;
  #bytes = 0;

  constructor(limits: RichLogLimits) {
    this.#limits = limits;
  }

  /** Index of the next event: how many there were. */
  get end(): number {
    return this.#first + this.#entries.length;
  }

  /** @param bytes How much of the bound the event takes. */
  append(event: NewRichEvent, at: Cursor, bytes: number): void {
    // The spread keeps each member of the union together; the compiler does not follow it through a union.
    this.#entries.push({ event: { ...event, index: this.end }, at, bytes });
    this.#bytes += bytes;
    const isOver = () => this.#entries.length > this.#limits.events || this.#bytes > this.#limits.bytes;
    while (this.#entries.length > 1 && isOver()) this.#dropOldest();
  }

  /** The first event at or after an index. */
  read(index: number): RichEntry | undefined {
    return index < this.#first ? this.#mark : this.#entries[index - this.#first];
  }

  #dropOldest(): void {
    // A tenth at once: each removal moves all that stay.
    const count = Math.max(1, Math.floor(this.#entries.length / 10));
    const dropped = this.#entries.splice(0, count);
    for (const { bytes } of dropped) this.#bytes -= bytes;
    this.#first += dropped.length;
    const at = dropped.at(-1)?.at ?? { stdout: 0, stderr: 0 };
    const text = `[${this.#first} earlier outputs left out: more than ${this.#limits.events} or ${this.#limits.bytes} bytes of them]`;
    const index = this.#first - 1;
    this.#mark = { event: { type: "display", data: { "text/plain": text }, index }, at, bytes: 0 };
  }
}
