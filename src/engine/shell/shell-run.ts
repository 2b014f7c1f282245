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
  type Stream,
} from "../run.ts";

import { traceVariables } from "../trace-variables.ts";
import type { Environment } from "../environment.ts";

export interface ShellCommand {
  readonly text: string;
  /** Absolute; becomes the session's directory. Absent: where the session stands. */
  readonly cwd?: string | undefined;
  /** Wall time in milliseconds, from the moment its turn comes. */
  readonly timeoutMs?: number | undefined;
}

export type Stop = Extract<RunEnd, { cause: "timed_out" | "cancelled" }>;

/** A share of a session's processes cannot be told from the rest. */
const NO_USAGE = { peakMemoryBytes: null, cpuSeconds: null, peakProcesses: null, oomKills: 0 };

/** One command in a session: it waits for its turn, runs, and has ended when the shell takes the next one. */
export class ShellRun implements Run {
  readonly id: RunId = newRunId();
  readonly command: ShellCommand;
  readonly journal: Journal;
  /** TRACEPARENT and TRACESTATE of the request that it was made for. */
  readonly trace: Environment = traceVariables(this.id);
  readonly usage = NO_USAGE;
  /** Settles exactly once, with how the run ended; never rejects. */
  readonly outcome: Promise<RunOutcome>;
  /** Settles when its turn has come, or it ended before that. */
  readonly begun: Promise<void>;
  /** Of the session's shell, once its turn has come. */
  pid: number | undefined;
  readonly #onStop: (stop: Stop) => void;
  readonly #settle: PromiseWithResolvers<RunOutcome> = Promise.withResolvers();
  readonly #turn: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #nothingRich = new RichLog({ events: 0, bytes: 0 });
  #startedAt = new Date();
  #startedMs = performance.now();
  #timer: Timer | undefined;
  #stop: Stop | undefined;
  #outcome: RunOutcome | undefined;

  /** @param onStop Told the first reason to stop it, once. */
  constructor(command: ShellCommand, journal: JournalOptions, onStop: (stop: Stop) => void) {
    this.command = command;
    this.journal = new Journal(journal);
    this.#onStop = onStop;
    this.outcome = this.#settle.promise;
    this.begun = this.#turn.promise;
  }

  get startedAt(): Date {
    return this.#startedAt;
  }

  get hasEnded(): boolean {
    return this.#outcome !== undefined;
  }

  get ended(): RunOutcome | undefined {
    return this.#outcome;
  }

  /** Why it is being stopped, if it is. */
  get stop(): Stop | undefined {
    return this.#stop;
  }

  events(from: Cursor = { stdout: 0, stderr: 0 }): AsyncGenerator<RunEvent, void> {
    return readRun(this, this.#nothingRich, () => 0, from);
  }

  cancel(reason: CancelReason): Promise<RunOutcome> {
    this.#requestStop({ cause: "cancelled", reason });
    return this.outcome;
  }

  /** Its turn has come. */
  begin(pid: number | undefined): void {
    this.pid = pid;
    this.#startedAt = new Date();
    this.#startedMs = performance.now();
    const { timeoutMs } = this.command;
    if (timeoutMs !== undefined && timeoutMs < 2 ** 31)
      this.#timer = setTimeout(
        () => this.#requestStop({ cause: "timed_out", afterMs: timeoutMs }),
        timeoutMs,
      );
    this.#turn.resolve();
  }

  /** The promise, if any, asks the shell to wait. */
  print(stream: Stream, bytes: Uint8Array): Promise<void> | undefined {
    return this.#outcome ? undefined : this.journal.append(stream, bytes);
  }

  /** The end, told once; a stop that was asked for is the reason told. */
  finish(end: RunEnd): void {
    if (this.#outcome) return;
    clearTimeout(this.#timer);
    const durationMs = performance.now() - this.#startedMs;
    this.#outcome = { end: this.#stop ?? end, usage: NO_USAGE, durationMs, totals: this.journal.totals };
    this.#turn.resolve();
    this.#settle.resolve(this.#outcome);
    this.journal.wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#outcome) await this.cancel("requested");
    await this.journal.close();
  }

  #requestStop(stop: Stop): void {
    if (this.#stop || this.#outcome) return;
    this.#stop = stop;
    this.#onStop(stop);
  }
}
