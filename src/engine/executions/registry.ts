import { Execution, type ExecutionFacts, type RetoldRun } from "./execution.ts";

export interface ExecutionsOptions {
  /** How long one is remembered after its end, in milliseconds. */
  readonly executionKeepMs: number;
  /** How many that have ended are remembered. */
  readonly executionKeepCount: number;
  /** Output held of those that have ended, in all. */
  readonly executionKeepBytes: number;
}

/**
 * The executions that can be asked about and told again: all that run, and of those that have ended the latest,
 * within bounds of age, number and bytes. What is forgotten frees its output.
 */
export class Executions implements AsyncDisposable {
  readonly #options: ExecutionsOptions;
  readonly #all = new Map<string, Execution>();
  /** Those that have ended, in order of their ends, with the bytes and the timer of each. */
  readonly #ended = new Map<Execution, { readonly bytes: number; readonly timer: Timer }>();
  #endedBytes = 0;

  constructor(options: ExecutionsOptions) {
    this.#options = options;
  }

  /** Takes a run over: from now on it is disposed here. */
  add(run: RetoldRun, facts: ExecutionFacts): Execution {
    const execution = new Execution(run, facts);
    this.#all.set(execution.id, execution);
    void run.outcome.then(() => this.#remember(execution));
    return execution;
  }

  get(id: string): Execution | undefined {
    return this.#all.get(id);
  }

  /** Stops what nobody reads: before a shutdown nobody would wait for its end. */
  endUnattended(): void {
    for (const { run, isAttended } of this.#all.values())
      if (!run.hasEnded && !isAttended) void run.cancel("shutdown");
  }

  /** Ends what runs and frees every output. */
  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#all.values()];
    for (const execution of all) this.#drop(execution);
    await Promise.all(all.map(({ run }) => run.cancel("shutdown")));
    await Promise.all(all.map(({ run }) => run[Symbol.asyncDispose]()));
  }

  #remember(execution: Execution): void {
    if (!this.#all.has(execution.id)) return;
    const timer = setTimeout(() => this.#forget(execution), this.#options.executionKeepMs);
    timer.unref();
    const bytes = execution.run.journal.heldBytes;
    this.#ended.set(execution, { bytes, timer });
    this.#endedBytes += bytes;
    this.#forgetSurplus();
  }

  #forgetSurplus(): void {
    const { executionKeepCount, executionKeepBytes } = this.#options;
    for (const execution of this.#ended.keys()) {
      const isTooMuch = this.#endedBytes > executionKeepBytes && this.#ended.size > 1;
      if (this.#ended.size <= executionKeepCount && !isTooMuch) return;
      this.#forget(execution);
    }
  }

  #forget(execution: Execution): void {
    this.#drop(execution);
    execution.forget();
  }

  #drop(execution: Execution): void {
    const kept = this.#ended.get(execution);
    clearTimeout(kept?.timer);
    this.#endedBytes -= kept?.bytes ?? 0;
    this.#ended.delete(execution);
    this.#all.delete(execution.id);
  }
}
