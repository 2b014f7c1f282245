import { EngineError } from "./error.ts";
import { newRunId, type RunId } from "./run.ts";
import { ProcessRun, type ProcessRunContext, type ProcessRunSpec } from "./process/process-run.ts";

export interface RunTableOptions extends ProcessRunContext {
  /** Runs that may be under way at once. */
  readonly maxRuns: number;
}

/**
 * A `request` is work that somebody asked for and waits for; a `service` is a process that the daemon keeps for
 * later requests (a kernel, a display). Services have their own bounds where they are kept: they are not
 * counted as runs under way, and a shutdown ends them at once instead of waiting for an end that never comes.
 */
export type RunRole = "request" | "service";

/** Every run of the engine, until its last process is gone. The one place where runs are admitted. */
export class RunTable implements AsyncDisposable {
  readonly #options: RunTableOptions;
  readonly #runs = new Map<RunId, ProcessRun>();
  readonly #services = new Set<RunId>();
  /** Runs admitted but not yet started, while their files are written. */
  readonly #starting = new Set<Promise<ProcessRun>>();
  readonly #startingServices = new Set<Promise<ProcessRun>>();
  #isClosing = false;
  #total = 0;

  constructor(options: RunTableOptions) {
    this.#options = options;
  }

  /** Whether no more runs are taken on: the daemon is shutting down. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Runs that may be under way at once. */
  get limit(): number {
    return this.#options.maxRuns;
  }

  /** Runs under way; those that ended but left something running are not counted. */
  get active(): number {
    let count = this.#starting.size;
    for (const run of this.#runs.values()) if (!run.hasEnded && !this.#services.has(run.id)) count++;
    return count;
  }

  /** Whether somebody waits for a run to start. */
  get isStarting(): boolean {
    return this.#starting.size > 0;
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
    return this.#whileStarting(this.#start(prepare, "request"), this.#starting);
  }

  /**
   * Starts a process that the daemon keeps for later requests; whoever keeps it bounds their number.
   * @throws EngineError `unavailable` while shutting down.
   */
  async startService(prepare: (id: RunId) => Promise<Omit<ProcessRunSpec, "id">>): Promise<ProcessRun> {
    if (this.#isClosing) this.#refuseClosing();
    return this.#whileStarting(this.#start(prepare, "service"), this.#startingServices);
  }

  /** Refuses new runs and gives those under way `graceMs` to end by themselves before they are cancelled. */
  async drain(graceMs: number, hurry: AbortSignal): Promise<void> {
    this.#isClosing = true;
    const living = [...this.#runs.values()].filter((run) => !run.hasEnded);
    const waiting = living.filter(({ id }) => !this.#services.has(id));
    if (waiting.length === 0) return;
    const late = AbortSignal.any([AbortSignal.timeout(graceMs), hurry]);
    const cancelAll = () => waiting.forEach((run) => void run.cancel("shutdown"));
    if (late.aborted) cancelAll();
    else late.addEventListener("abort", cancelAll, { once: true });
    await Promise.all(waiting.map((run) => run.outcome));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled([...this.#starting, ...this.#startingServices]);
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

  async #whileStarting(run: Promise<ProcessRun>, starting: Set<Promise<ProcessRun>>): Promise<ProcessRun> {
    starting.add(run);
    try {
      return await run;
    } finally {
      starting.delete(run);
    }
  }

  async #start(
    prepare: (id: RunId) => Promise<Omit<ProcessRunSpec, "id">>,
    role: RunRole,
  ): Promise<ProcessRun> {
    const id = newRunId();
    const spec = await prepare(id);
    // The shutdown may have begun while the files were written.
    if (this.#isClosing) this.#refuseClosing();
    return this.#add(new ProcessRun({ ...spec, id }, this.#options), role);
  }

  #refuseClosing(): never {
    throw new EngineError("unavailable", "Cannot start a run: the daemon is shutting down");
  }

  #add(run: ProcessRun, role: RunRole): ProcessRun {
    if (role === "request") this.#total++;
    else this.#services.add(run.id);
    this.#runs.set(run.id, run);
    void Promise.all([run.outcome, run.outputClosed()]).then(() => {
      this.#runs.delete(run.id);
      this.#services.delete(run.id);
    });
    return run;
  }
}
