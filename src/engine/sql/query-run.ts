import { readRun } from "../kernels/read-run.ts";
import { RichLog } from "../kernels/rich-log.ts";
import { Journal, type JournalOptions } from "../process/journal.ts";
import {
  newRunId,
  type CancelReason,
  type Cursor,
  type Run,
  type RunEnd,
  type RunEvent,
  type RunId,
  type RunOutcome,
} from "../run.ts";

const NO_USAGE = { peakMemoryBytes: null, cpuSeconds: null, peakProcesses: null, oomKills: 0 };

/** A table, as the clients read it. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}

/** What went wrong, in the words of the Execution API. */
export class QueryFailure extends Error {
  override readonly name = "QueryFailure";
  /** @param kind For example `DBQueryError`. */
  constructor(
    readonly kind: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** One SQL statement under way on a server; it has ended when the server has answered. */
export class QueryRun implements Run {
  readonly id: RunId = newRunId();
  readonly startedAt = new Date();
  readonly usage = NO_USAGE;
  readonly pid: undefined;
  readonly begun = Promise.resolve();
  readonly journal: Journal;
  readonly outcome: Promise<RunOutcome>;
  readonly #rich = new RichLog({ events: 2, bytes: Number.MAX_SAFE_INTEGER });
  readonly #settle: PromiseWithResolvers<RunOutcome> = Promise.withResolvers();
  readonly #startedMs = performance.now();
  readonly #stop = new AbortController();
  #outcome: RunOutcome | undefined;

  /** @param work Asks the server; the signal asks it to stop. @throws QueryFailure. */
  constructor(journal: JournalOptions, work: (signal: AbortSignal) => Promise<Table>) {
    this.journal = new Journal(journal);
    this.outcome = this.#settle.promise;
    void this.#work(work);
  }

  get hasEnded(): boolean {
    return this.#outcome !== undefined;
  }

  get ended(): RunOutcome | undefined {
    return this.#outcome;
  }

  events(from: Cursor = { stdout: 0, stderr: 0 }): AsyncGenerator<RunEvent, void> {
    return readRun(this, this.#rich, () => this.#rich.end, from);
  }

  cancel(reason: CancelReason): Promise<RunOutcome> {
    this.#finish({ cause: "cancelled", reason });
    this.#stop.abort();
    return this.outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cancel("requested");
    await this.journal.close();
  }

  async #work(work: (signal: AbortSignal) => Promise<Table>): Promise<void> {
    try {
      const text = JSON.stringify(await work(this.#stop.signal));
      if (this.#outcome) return;
      this.#rich.append(
        { type: "result", data: { "text/plain": text }, count: 1 },
        this.journal.totals,
        text.length,
      );
      this.#finish({ cause: "exited", code: 0 });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const name = error instanceof QueryFailure ? error.kind : "DBQueryError";
      if (this.#outcome) return;
      this.#rich.append({ type: "failed", name, message, traceback: [message] }, this.journal.totals, 0);
      this.#finish({ cause: "exited", code: 1 });
    }
  }

  #finish(end: RunEnd): void {
    if (this.#outcome) return;
    const durationMs = performance.now() - this.#startedMs;
    this.#outcome = { end, usage: NO_USAGE, durationMs, totals: this.journal.totals };
    this.#settle.resolve(this.#outcome);
    this.journal.wake();
  }
}
