import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { readNumber } from "./cgroup-files.ts";

/**
 * The highest memory of one cgroup, since it was made and since a moment. Version 1 has one figure, which is set back
 * for everybody; version 2 (from Linux 6.12 on) has one for each open file through which it was set back.
 */
export class MemoryPeak {
  readonly #path: string;
  /** Opened by the first `restart`: most runs are not divided and never pay for it. */
  #file: number | undefined;
  /** The highest before the last `restart`. */
  #before = 0;

  constructor(version: 1 | 2, directory: string) {
    this.#path = join(directory, version === 2 ? "memory.peak" : "memory.max_usage_in_bytes");
  }

  /** Bytes since the cgroup was made; null where the kernel does not tell. */
  get total(): number | null {
    const now = readNumber(this.#path);
    return now === null ? null : Math.max(now, this.#before);
  }

  /** Bytes since the last `restart`; null where the kernel does not tell. */
  get recent(): number | null {
    if (this.#file !== undefined) return numberIn(this.#file);
    // A total that has grown was reached since then; one that has not says nothing about it.
    const { total } = this;
    return total !== null && total > this.#before ? total : null;
  }

  /** Begins anew, with what is in use at this moment. */
  restart(): void {
    this.#before = Math.max(this.#before, (this.#file === undefined ? this.total : this.recent) ?? 0);
    try {
      this.#file ??= openSync(this.#path, "r+");
      writeSync(this.#file, "0", 0);
    } catch {
      // Before Linux 6.12 memory.peak can only be read; `recent` then knows less.
      this.close();
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

const digits = Buffer.alloc(32);

function numberIn(file: number): number | null {
  const text = digits.toString("latin1", 0, readSync(file, digits, 0, digits.byteLength, 0)).trim();
  return /^\d+$/.test(text) ? Number(text) : null;
}
