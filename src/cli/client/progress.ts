import { isErrorTerminal, writeBytes } from "../output.ts";

const EVERY_MS = 100;
const BAR_CELLS = 24;
const encoder = new TextEncoder();

/** A bar on stderr while something is copied; nothing where stderr is no terminal. */
export class Progress implements AsyncDisposable {
  readonly #what: string;
  readonly #totalBytes: number | undefined;
  readonly #isShown = isErrorTerminal();
  #doneBytes = 0;
  #shownMs = 0;

  /** @param totalBytes undefined: nobody knows. */
  constructor(what: string, totalBytes: number | undefined) {
    this.#what = what;
    this.#totalBytes = totalBytes;
  }

  get doneBytes(): number {
    return this.#doneBytes;
  }

  async add(bytes: number): Promise<void> {
    this.#doneBytes += bytes;
    if (!this.#isShown || performance.now() - this.#shownMs < EVERY_MS) return;
    this.#shownMs = performance.now();
    await writeBytes("stderr", encoder.encode(`\r\u001b[K${this.#line()}`));
  }

  /** Passes bytes on and counts them. */
  async *counted(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    for await (const piece of bytes) {
      yield piece;
      await this.add(piece.byteLength);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isShown) await writeBytes("stderr", encoder.encode(`\r\u001b[K${this.#line()}\n`));
  }

  #line(): string {
    const done = sizeOf(this.#doneBytes);
    if (this.#totalBytes === undefined) return `${this.#what}  ${done}`;
    const part = this.#totalBytes === 0 ? 1 : Math.min(1, this.#doneBytes / this.#totalBytes);
    const full = Math.round(part * BAR_CELLS);
    const bar = "#".repeat(full) + "-".repeat(BAR_CELLS - full);
    return `${this.#what}  [${bar}] ${Math.round(part * 100)}%  ${done} of ${sizeOf(this.#totalBytes)}`;
  }
}

function sizeOf(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${(bytes / 2 ** (10 * power)).toFixed(power === 0 ? 0 : 1)} ${units[power] ?? ""}`;
}
