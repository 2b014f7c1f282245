import { readFileSync, writeFileSync } from "node:fs";
import { isSame, type ProcessStat } from "./proc.ts";

/** The highest resident memory of one process since a moment (proc(5): VmHWM, clear_refs). */
export class ProcessMemoryPeak {
  readonly #process: ProcessStat;
  #hasRestarted = false;

  constructor(process: ProcessStat) {
    this.#process = process;
  }

  /** Bytes since the last `restart`; null when there was none, the machine refused it, or the process has ended. */
  get recent(): number | null {
    if (!this.#hasRestarted) return null;
    try {
      const status = readFileSync(`/proc/${this.#process.pid}/status`, "latin1");
      const kilobytes = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1];
      return kilobytes !== undefined && isSame(this.#process) ? Number(kilobytes) * 1024 : null;
    } catch {
      return null;
    }
  }

  /** Begins anew, with what is resident at this moment. */
  restart(): void {
    this.#hasRestarted = false;
    if (!isSame(this.#process)) return;
    try {
      writeFileSync(`/proc/${this.#process.pid}/clear_refs`, "5");
      this.#hasRestarted = true;
    } catch {
      // Not every container allows it: then nothing is known of a part of the process's life.
    }
  }
}
