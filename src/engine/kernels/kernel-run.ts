import { EngineError } from "../error.ts";
import type { KernelMessage } from "../jupyter/kernel-message.ts";
import { Journal, type JournalOptions } from "../process/journal.ts";
import type { ProcessRun } from "../process/process-run.ts";
import type {
  CancelReason,
  Cursor,
  Run,
  RunEnd,
  RunEvent,
  RunId,
  RunOutcome,
  RunUsage,
  Stream,
} from "../run.ts";
import { newRunId } from "../run.ts";
import type { Kernel } from "./kernel.ts";
import type { KernelContext } from "./context.ts";
import { bytesOf, eventsOf, textOf } from "./kernel-events.ts";
import { readRun } from "./read-run.ts";
import { RichLog, type NewRichEvent, type RichLogLimits } from "./rich-log.ts";
import { StdinLines } from "./stdin-lines.ts";
import { boundBundle } from "./value-bound.ts";

export interface ExecuteRequest {
  readonly code: string;
  /** Given to the program line by line as it asks. Absent: asking fails at once. */
  readonly stdin?: string | undefined;
  /** More lines may come by `answer` when the program asks. */
  readonly keepStdinOpen?: boolean | undefined;
  /** Wall time in milliseconds, from the moment its turn comes; it waits for its turn at most as long. */
  readonly timeoutMs?: number | undefined;
  /** Leaves no trace in the history and the execution count of the kernel, and shows no result. */
  readonly silent?: boolean | undefined;
}

export interface KernelRunOptions {
  readonly journal: JournalOptions;
  readonly rich: RichLogLimits;
  /** Bytes of one value of a display or a result; larger ones are cut or left out, with a mark. */
  readonly valueBytes: number;
  /** Bytes of both streams together; the run is stopped at this many. */
  readonly outputBytes: number | undefined;
}

export type Stop = Extract<RunEnd, { cause: "timed_out" | "cancelled" }>;

const NO_USAGE: RunUsage = { peakMemoryBytes: null, cpuSeconds: null, peakProcesses: null, oomKills: 0 };
/** What ipykernel and those after it read as the end of input. */
const END_OF_INPUT = "\u0004";

/** One execution in a context: it waits for its turn, runs, and has ended when the kernel is through with it. */
export class KernelRun implements Run {
  readonly id: RunId = newRunId();
  readonly context: KernelContext;
  readonly request: ExecuteRequest;
  readonly journal: Journal;
  /** Settles exactly once, with how the run ended; never rejects. */
  readonly outcome: Promise<RunOutcome>;
  /** Settles when its turn has come, or it ended before that. */
  readonly begun: Promise<void>;
  /** Settles with the first reason to stop it. */
  readonly stopRequested: Promise<Stop>;

  readonly #options: KernelRunOptions;
  readonly #rich: RichLog;
  readonly #stdin: StdinLines;
  readonly #settle: PromiseWithResolvers<RunOutcome> = Promise.withResolvers();
  readonly #turn: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #stopping: PromiseWithResolvers<Stop> = Promise.withResolvers();
  #stop: Stop | undefined;
  readonly #timers = new Set<Timer>();
  #startedAt = new Date();
  #startedMs = performance.now();
  #kernel: Kernel | undefined;
  #usageBefore: RunUsage = NO_USAGE;
  #outcome: RunOutcome | undefined;
  #richEnd = 0;
  #isAsking = false;
  #hasFailed = false;
  #outputBytes = 0;

  constructor(context: KernelContext, request: ExecuteRequest, options: KernelRunOptions) {
    this.context = context;
    this.request = request;
    this.#options = options;
    this.journal = new Journal(options.journal);
    this.#rich = new RichLog(options.rich);
    this.#stdin = new StdinLines(request.stdin ?? "");
    this.outcome = this.#settle.promise;
    this.begun = this.#turn.promise;
    this.stopRequested = this.#stopping.promise;
    this.#limitTime();
  }

  /** When its turn came; until then when it was asked for. */
  get startedAt(): Date {
    return this.#startedAt;
  }

  /** The kernel that executes it; undefined before its turn. */
  get pid(): number | undefined {
    return this.#kernel?.pid;
  }

  get hasEnded(): boolean {
    return this.#outcome !== undefined;
  }

  /** How the run ended; undefined while it waits or is under way. */
  get ended(): RunOutcome | undefined {
    return this.#outcome;
  }

  /** Of its kernel, from its turn on; processor time since the run before it ended, when the kernel last did nothing. */
  get usage(): RunUsage {
    if (this.#outcome) return this.#outcome.usage;
    return this.#kernel ? this.#usageNow(this.#kernel.process, this.#kernel.process.usage) : NO_USAGE;
  }

  /** The first reason to stop it, if there was one before its end. */
  get stop(): Stop | undefined {
    return this.#stop;
  }

  /** Whether the program has been given input, or may be. */
  get takesInput(): boolean {
    return this.request.stdin !== undefined || this.request.keepStdinOpen === true;
  }

  /** Whether the user's own error has been told. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Everything from `cursor` on, in order, up to and including the end; what comes later is not told. */
  events(cursor: Cursor = { stdout: 0, stderr: 0 }): AsyncGenerator<RunEvent, void> {
    return readRun(this, this.#rich, () => this.#richEnd, cursor);
  }

  cancel(reason: CancelReason): Promise<RunOutcome> {
    this.#requestStop({ cause: "cancelled", reason });
    return this.outcome;
  }

  /**
   * Answers the line of input that the program asks for.
   * @throws EngineError `conflict` when it asks for none.
   */
  answer(text: string): void {
    if (!this.#isAsking || this.#outcome) {
      throw new EngineError("conflict", `Cannot give input to ${this.id}: it does not ask for any`);
    }
    this.#isAsking = false;
    this.#kernel?.answer(text.replace(/\r?\n$/, ""));
  }

  /** Its turn has come. */
  begin(kernel: Kernel): void {
    this.#kernel = kernel;
    this.#usageBefore = kernel.lastUsage;
    kernel.process.restartPeakMemory();
    this.#startedAt = new Date();
    this.#startedMs = performance.now();
    this.#limitTime();
    this.#turn.resolve();
  }

  /** What the kernel says about it; after its end as well. The promise, if any, asks it to wait. */
  hear(message: KernelMessage): Promise<void> | undefined {
    const text = textOf(message);
    if (text) return this.print(text.stream, new TextEncoder().encode(text.text));
    if (message.type === "input_request") this.#ask(message.prompt, message.password);
    else for (const event of eventsOf(message)) this.#tell(event);
    return undefined;
  }

  /** The promise, if any, asks whoever has more to wait. */
  print(stream: Stream, bytes: Uint8Array): Promise<void> | undefined {
    const room = (this.#options.outputBytes ?? Number.POSITIVE_INFINITY) - this.#outputBytes;
    this.#outputBytes += bytes.byteLength;
    if (bytes.byteLength <= room) return this.journal.append(stream, bytes);
    void this.cancel("output_limit");
    return room > 0 ? this.journal.append(stream, bytes.subarray(0, room)) : undefined;
  }

  /** Tells an error that ended the user's code. */
  fail(name: string, message: string, traceback: readonly string[] = []): void {
    this.#tell({ type: "failed", name, message, traceback });
  }

  /** The end, told once. */
  finish(end: RunEnd): void {
    if (this.#outcome) return;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#outcome = {
      end,
      usage: this.#kernel ? this.#usageNow(this.#kernel.process, this.#kernel.look()) : NO_USAGE,
      durationMs: performance.now() - this.#startedMs,
      totals: this.journal.totals,
    };
    this.#richEnd = this.#rich.end;
    this.#turn.resolve();
    this.#settle.resolve(this.#outcome);
    this.journal.wake();
  }

  /** Stops it when it is under way, and frees what it holds. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#outcome) await this.cancel("requested");
    await this.journal.close();
  }

  #usageNow({ recentPeakMemory }: ProcessRun, ofKernel: RunUsage): RunUsage {
    return { ...since(this.#usageBefore, ofKernel), peakMemoryBytes: recentPeakMemory };
  }

  #requestStop(stop: Stop): void {
    if (this.#stop || this.#outcome) return;
    this.#stop = stop;
    this.#stopping.resolve(stop);
  }

  #limitTime(): void {
    const { timeoutMs } = this.request;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    if (timeoutMs === undefined || timeoutMs > 2 ** 31 - 1) return;
    const expire = () => this.#requestStop({ cause: "timed_out", afterMs: timeoutMs });
    this.#timers.add(setTimeout(expire, timeoutMs));
  }

  #ask(prompt: string, isPassword: boolean): void {
    const line = this.#stdin.next();
    if (line !== undefined) this.#kernel?.answer(line);
    else if (this.request.keepStdinOpen === true) {
      this.#isAsking = true;
      this.#tell({ type: "input_request", prompt, isPassword });
    } else this.#kernel?.answer(END_OF_INPUT);
  }

  #tell(event: NewRichEvent): void {
    if (event.type === "failed") this.#hasFailed = true;
    const bounded =
      "data" in event ? { ...event, data: boundBundle(event.data, this.#options.valueBytes) } : event;
    this.#rich.append(bounded, this.journal.totals, bytesOf(bounded));
    this.journal.wake();
  }
}

function since(before: RunUsage, now: RunUsage): RunUsage {
  const cpuSeconds =
    now.cpuSeconds === null || before.cpuSeconds === null ? null : now.cpuSeconds - before.cpuSeconds;
  // The kernel's most processes cannot be set back: more than before were this run's, else nobody knows.
  const hasGrown = (now.peakProcesses ?? 0) > (before.peakProcesses ?? 0);
  const peakProcesses = hasGrown ? now.peakProcesses : null;
  return { ...now, cpuSeconds, peakProcesses, oomKills: now.oomKills - before.oomKills };
}
