import type { ProcessRun } from "../process/process-run.ts";
import { BackgroundProcess, type Audience, type BackgroundFacts } from "./process.ts";

export interface BackgroundOptions {
  /** How long a process is remembered after its end. */
  readonly backgroundKeepMs: number;
  /** How many that have ended are remembered. */
  readonly backgroundKeepCount: number;
  /** Output held of those that have ended, in all. */
  readonly backgroundKeepBytes: number;
}

/**
 * The background processes: all that run, and of those that have ended the latest, within bounds of age,
 * number and bytes. What is forgotten frees its journal.
 */
export class BackgroundProcesses implements AsyncDisposable {
  readonly #options: BackgroundOptions;
  /** In order of start. */
  readonly #processes = new Set<BackgroundProcess>();
  /** Those that have ended, in order of their ends, with the timer of each. */
  readonly #ended = new Map<BackgroundProcess, Timer>();

  constructor(options: BackgroundOptions) {
    this.#options = options;
  }

  /** Takes a run over: from now on it is disposed here, when its audience has been told its end. */
  add(run: ProcessRun, facts: BackgroundFacts, audience?: Audience): BackgroundProcess {
    const process = new BackgroundProcess(run, facts, audience);
    this.#processes.add(process);
    void Promise.allSettled([run.outcome, audience?.told]).then(() => this.#remember(process));
    return process;
  }

  /** Asks those that run for nobody to end: it settles nothing to give them more time. */
  endUnattended(): void {
    for (const { run, audience } of this.#processes) if (!audience) void run.cancel("shutdown");
  }

  /** Newest first. */
  list(): BackgroundProcess[] {
    return [...this.#processes].reverse();
  }

  /**
   * By process id, execution id, run id or the pid of its first process. A pid means the one that runs; of
   * those that have ended the newest.
   */
  find(id: string): BackgroundProcess | undefined {
    const all = this.list();
    const pid = /^\d{1,10}$/.test(id) ? Number(id) : undefined;
    if (pid === undefined) return all.find((process) => process.isNamed(id));
    const mine = all.filter(({ run }) => run.pid === pid);
    return mine.find(({ outcome }) => outcome === undefined) ?? mine[0];
  }

  /** The one that runs and whose first process has this pid. */
  withPid(pid: number): BackgroundProcess | undefined {
    for (const process of this.#processes)
      if (process.run.pid === pid && !process.run.hasEnded) return process;
    return undefined;
  }

  /** Ends what runs and frees every journal. */
  async [Symbol.asyncDispose](): Promise<void> {
    const all = this.list();
    for (const process of all) this.#drop(process);
    await Promise.all(all.map(({ run }) => run.cancel("shutdown")));
    await Promise.all(all.map(({ run }) => run[Symbol.asyncDispose]()));
  }

  #remember(process: BackgroundProcess): void {
    if (!this.#processes.has(process)) return;
    const timer = setTimeout(() => this.#forget(process), this.#options.backgroundKeepMs);
    timer.unref();
    this.#ended.set(process, timer);
    this.#forgetSurplus();
  }

  #forgetSurplus(): void {
    const { backgroundKeepCount, backgroundKeepBytes } = this.#options;
    let bytes = 0;
    for (const { run } of this.#ended.keys()) bytes += run.journal.heldBytes;
    for (const process of this.#ended.keys()) {
      const isNewest = this.#ended.size === 1;
      const isTooMuch = bytes > backgroundKeepBytes && !isNewest;
      if (this.#ended.size <= backgroundKeepCount && !isTooMuch) return;
      bytes -= process.run.journal.heldBytes;
      this.#forget(process);
    }
  }

  #forget(process: BackgroundProcess): void {
    this.#drop(process);
    void process.run[Symbol.asyncDispose]();
  }

  #drop(process: BackgroundProcess): void {
    clearTimeout(this.#ended.get(process));
    this.#ended.delete(process);
    this.#processes.delete(process);
  }
}
