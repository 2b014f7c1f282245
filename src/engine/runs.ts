import { EngineError } from "./error.ts";
import { newRunId, type RunId } from "./run.ts";
import { ProcessRun, type ProcessRunContext, type ProcessRunSpec } from "./process/process-run.ts";

export interface RunTableOptions extends ProcessRunContext {
  /** Runs that may be under way at once. */
  readonly maxRuns: number;
}

/** Every run of the engine, until its last process is gone. The one place where runs are admitted. */
export class RunTable implements AsyncDisposable {
  readonly #options: RunTableOptions;
  readonly #runs = new Map<RunId, ProcessRun>();
  /** Runs admitted but not yet started, while their files are written. */
  readonly #starting = new Set<Promise<ProcessRun>>();
  #isClosing = false;
  #total = 0;

  constructor(options: RunTableOptions) {
    this.#options = options;
  }

  /** Runs under way; those that ended but left something running are not counted. */
  get active(): number {
    let count = this.#starting.size;
    for (const run of this.#runs.values()) if (!run.hasEnded) count++;
    return count;
  }

  /** Whether a run is known: under way, or with something it left behind. */
  has(id: RunId): boolean {
    return this.#runs.has(id);
  }

  /** The run under way whose first process has this pid. */
  withPid(pid: number): ProcessRun | undefined {
    for (const run of this.#runs.values()) if (run.pid === pid && !run.hasEnded) return run;
    return undefined;
  }

  /** Runs started since the daemon came up. */
  get total(): number {
    return this.#total;
  }

  /**
   * Starts a run once `prepare` has said what it is.
   * @throws EngineError `busy` when too many are under way, `unavailable` while shutting down.
   */
  async start(prepare: (id: RunId) => Promise<Omit<ProcessRunSpec, "id">>): Promise<ProcessRun> {
    this.#admit();
    const starting = this.#start(prepare);
    this.#starting.add(starting);
    try {
      return await starting;
    } finally {
      this.#starting.delete(starting);
    }
  }

  /** Refuses new runs and gives those under way `graceMs` to end by themselves before they are cancelled. */
  async drain(graceMs: number, hurry: AbortSignal): Promise<void> {
    this.#isClosing = true;
    const waiting = [...this.#runs.values()].filter((run) => !run.hasEnded);
    if (waiting.length === 0) return;
    const late = AbortSignal.any([AbortSignal.timeout(graceMs), hurry]);
    const cancelAll = () => waiting.forEach((run) => void run.cancel("shutdown"));
    if (late.aborted) cancelAll();
    else late.addEventListener("abort", cancelAll, { once: true });
    await Promise.all(waiting.map((run) => run.outcome));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled(this.#starting);
    await Promise.all([...this.#runs.values()].map((run) => run.destroy()));
  }

  #admit(): void {
    if (this.#isClosing) this.#refuseClosing();
    if (this.active < this.#options.maxRuns) return;
    throw new EngineError(
      "busy",
      `Cannot start another run: ${this.#options.maxRuns} are under way, which is the limit`,
    );
  }

  async #start(prepare: (id: RunId) => Promise<Omit<ProcessRunSpec, "id">>): Promise<ProcessRun> {
    const id = newRunId();
    const spec = await prepare(id);
    // The shutdown may have begun while the files were written.
    if (this.#isClosing) this.#refuseClosing();
    return this.#add(new ProcessRun({ ...spec, id }, this.#options));
  }

  #refuseClosing(): never {
    throw new EngineError("unavailable", "Cannot start a run: the daemon is shutting down");
  }

  #add(run: ProcessRun): ProcessRun {
    this.#total++;
    this.#runs.set(run.id, run);
    void Promise.all([run.outcome, run.outputClosed()]).then(() => this.#runs.delete(run.id));
    return run;
  }
}
