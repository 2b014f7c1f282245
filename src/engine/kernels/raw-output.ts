import type { JournalEntry, JournalReader } from "../process/journal.ts";
import type { ProcessRun } from "../process/process-run.ts";
import type { KernelRun } from "./kernel-run.ts";

/**
 * What a kernel and the programs it starts write to descriptors 1 and 2 themselves, beside what the kernel sends as
 * messages. It belongs to the run whose turn came last.
 */
export class RawOutput {
  readonly #process: ProcessRun;
  readonly #reader: JournalReader;
  #run: KernelRun | undefined;
  #forwarding: Promise<void> = Promise.resolve();

  /** What was written before is the kernel's own, from its start. */
  constructor(process: ProcessRun) {
    this.#process = process;
    this.#reader = process.journal.read(process.journal.totals);
    void this.#watch();
  }

  aim(run: KernelRun): void {
    this.#run = run;
  }

  /** Settles when all that was written before this call has been handed on. */
  async flush(): Promise<void> {
    await this.#process.drained();
    await this.#forward();
  }

  async #watch(): Promise<void> {
    for (;;) {
      const changed = this.#process.journal.changed();
      await this.#forward();
      if (this.#process.hasEnded) return;
      // The end wakes the journal too.
      await changed;
    }
  }

  /** One after the other: two readers of one place would mix up the order. */
  #forward(): Promise<void> {
    this.#forwarding = this.#forwarding.then(async () => {
      for (let entry = await this.#reader.next(); entry; entry = await this.#reader.next())
        await this.#hand(entry);
    });
    return this.#forwarding;
  }

  #hand(entry: JournalEntry): Promise<void> | undefined {
    if (entry.type === "output") return this.#run?.print(entry.stream, entry.bytes);
    const mark = `[${entry.length} bytes of output left out]\n`;
    return this.#run?.print(entry.stream, new TextEncoder().encode(mark));
  }
}
