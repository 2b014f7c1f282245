import { STREAMS, type Cursor } from "../run.ts";

/** A reader that takes nothing for so long is not waited for until it takes something again. */
const PATIENCE_MS = 5000;

interface Reading {
  cursor: Cursor;
  movedMs: number;
}

/**
 * Slows what a run prints to the pace of its fastest reader, once that reader is so far behind that the oldest
 * output would be dropped before it came to it. Without readers, or with such as do not read, nobody waits.
 */
export class Pace {
  readonly #mostBehind: number;
  readonly #readings = new Set<Reading>();
  #moved: PromiseWithResolvers<void> | undefined;

  /** @param mostBehind Bytes of one stream. */
  constructor(mostBehind: number) {
    this.#mostBehind = mostBehind;
  }

  /** Counts a reader; `moved` is to be told wherever it stands, `left` when it reads no more. */
  join(cursor: Cursor): { moved(cursor: Cursor): void; left(): void } {
    const reading: Reading = { cursor, movedMs: performance.now() };
    this.#readings.add(reading);
    return {
      moved: (to) => {
        reading.cursor = to;
        reading.movedMs = performance.now();
        this.#wake();
      },
      left: () => {
        this.#readings.delete(reading);
        this.#wake();
      },
    };
  }

  /** A promise when the writer should wait; it settles within the patience there is with readers. */
  wait(totals: Cursor): Promise<void> | undefined {
    return this.#readings.size > 0 && this.#isTooFar(totals) ? this.#whileTooFar(totals) : undefined;
  }

  async #whileTooFar(totals: Cursor): Promise<void> {
    while (this.#isTooFar(totals)) {
      this.#moved ??= Promise.withResolvers();
      const { promise, resolve }: PromiseWithResolvers<void> = Promise.withResolvers();
      const timer = setTimeout(resolve, PATIENCE_MS);
      await Promise.race([this.#moved.promise, promise]);
      clearTimeout(timer);
    }
  }

  /** Whether every reader that reads is far behind, and there is one. */
  #isTooFar(totals: Cursor): boolean {
    const since = performance.now() - PATIENCE_MS;
    const awake = [...this.#readings].filter(({ movedMs }) => movedMs > since);
    const isFar = ({ cursor }: Reading) =>
      STREAMS.some((stream) => totals[stream] - cursor[stream] > this.#mostBehind);
    return awake.length > 0 && awake.every(isFar);
  }

  #wake(): void {
    this.#moved?.resolve();
    this.#moved = undefined;
  }
}
