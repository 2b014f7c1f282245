import { closeSync } from "node:fs";
import {
  STREAMS,
  type CancelReason,
  type Cursor,
  type Run,
  type RunEnd,
  type RunEvent,
  type RunId,
  type RunOutcome,
  type RunUsage,
  type Stream,
} from "../run.ts";
import type { Containment, Enclosure, RunLimits } from "./containment.ts";
import { InputPipe } from "./input-pipe.ts";
import { Journal, JOURNAL_START, type JournalEntry, type JournalOptions } from "./journal.ts";
import { setTerminalSize, signalTerminal, type TerminalSize } from "./libc.ts";
import { PipeReader } from "./pipe-reader.ts";
import { spawn, SpawnFailure, type Child, type ChildExit, type SpawnSpec } from "./spawn.ts";

export interface ProcessRunSpec extends Omit<SpawnSpec, "cgroup" | "gate" | "openFiles" | "stdin"> {
  readonly id: RunId;
  /** All of the input; or its beginning, when more may follow while it runs. Absent: /dev/null. */
  readonly stdin?: Uint8Array | { readonly open: Uint8Array } | undefined;
  readonly limits: RunLimits;
  /** Wall time in milliseconds; absent means none. */
  readonly timeoutMs?: number | undefined;
  /** A process that waits for its program, to be used instead of starting one. */
  readonly prepared?: PreparedChild | undefined;
  /** Takes the output instead of the journal; what survivors print comes here too. A promise asks for a pause. */
  readonly onOutput?: ((stream: Stream, bytes: Uint8Array) => Promise<void> | undefined) | undefined;
}

/** A first process that was made before its run was known. */
export interface PreparedChild {
  /** What it is in already. */
  readonly enclosure: Enclosure;
  /**
   * Gives it its program. Once only.
   * @throws SpawnFailure when it has ended meanwhile.
   */
  begin(spec: ProcessRunSpec): Child;
}

export interface ProcessRunContext {
  readonly containment: Containment;
  readonly journal: JournalOptions;
  /** Between SIGTERM and SIGKILL, in milliseconds. */
  readonly killGraceMs: number;
}

type Stop = Extract<RunEnd, { cause: "timed_out" | "cancelled" }>;

/** After SIGKILL; a process that is still there then hangs in the kernel and its end is not known. */
const LOST_AFTER_MS = 10_000;
/** A longer timer would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const NO_USAGE = { peakMemoryBytes: null, cpuSeconds: null, peakProcesses: null, oomKills: 0 };

/**
 * One supervised process tree. It has ended when its first process has exited and everything written by then
 * is in the journal, whoever still holds the pipes; after a timeout or a cancel, when nothing of it is left.
 */
export class ProcessRun implements Run {
  readonly id: RunId;
  readonly startedAt = new Date();
  readonly journal: Journal;
  /** Settles exactly once, with how the run ended; never rejects. */
  readonly outcome: Promise<RunOutcome>;
  /** Undefined when the process could not be started. */
  readonly pid: number | undefined;
  /** To write to while it runs, where it was started so. */
  readonly stdin: InputPipe | undefined;

  readonly #context: ProcessRunContext;
  readonly #spec: ProcessRunSpec;
  readonly #enclosure: Enclosure;
  readonly #readers: readonly PipeReader[];
  readonly #startedMs = performance.now();
  /** Aborted at the end: it removes every timer and listener of this run. */
  readonly #life = new AbortController();
  readonly #settle: (outcome: RunOutcome) => void;
  #outcome: RunOutcome | undefined;
  #stop: Stop | undefined;
  readonly #graceOver: PromiseWithResolvers<void> = Promise.withResolvers();
  #outputBytes = 0;
  /** As it was at the end. */
  #lastPeakMemory: number | null = null;
  /** Most runs are one part, and need not look for the memory of their last. */
  #hasParts = false;
  /** The daemon's side of the run's terminal; the reader closes it. */
  #terminal: number | undefined;

  /**
   * Starts at once. A program that cannot be started is a run that ended so, not an error.
   * @throws EngineError `unsupported` for a limit that the machine cannot enforce.
   */
  constructor(spec: ProcessRunSpec, context: ProcessRunContext) {
    this.id = spec.id;
    this.#spec = spec;
    this.#context = context;
    this.journal = new Journal(context.journal);
    ({ promise: this.outcome, resolve: this.#settle } = Promise.withResolvers<RunOutcome>());
    this.#enclosure = spec.prepared?.enclosure ?? context.containment.open(spec.id, spec.limits);
    const child = this.#start();
    this.pid = child?.pid;
    this.stdin = child && this.#openInput(child);
    this.#readers = child
      ? [
          new PipeReader(child.stdout, (bytes) => this.#record("stdout", bytes)),
          ...(child.stderr === undefined
            ? []
            : [new PipeReader(child.stderr, (bytes) => this.#record("stderr", bytes))]),
        ]
      : [];
    if (child) {
      this.#terminal = spec.terminal && child.stdout;
      void this.#supervise(child);
    }
  }

  /** Whether its process had been waiting for it; else it was started for it. */
  get isWarm(): boolean {
    return this.#spec.prepared !== undefined;
  }

  get hasEnded(): boolean {
    return this.#outcome !== undefined;
  }

  /** How the run ended; undefined while it is under way. */
  get ended(): RunOutcome | undefined {
    return this.#outcome;
  }

  /** What the run has used so far, or had used at its end. */
  get usage(): RunUsage {
    return this.#outcome?.usage ?? this.#enclosure.usage();
  }

  /** The highest memory since `restartPeakMemory`, in bytes; null where the machine cannot tell. */
  get recentPeakMemory(): number | null {
    return this.#outcome ? this.#lastPeakMemory : this.#enclosure.recentPeakMemory();
  }

  /** Begins a part of the run of which memory is to be told; `usage` still tells of all of it. */
  restartPeakMemory(): void {
    if (this.#outcome) return;
    this.#hasParts = true;
    this.#enclosure.restartPeakMemory();
  }

  /** Whether something the run left behind still holds its output open. */
  get hasSurvivors(): boolean {
    return this.#readers.some((reader) => !reader.isClosed);
  }

  /** Settles when nobody holds the run's output any more, which may be long after its end. */
  async outputClosed(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.closed));
  }

  /** Settles when everything written before this call is in the journal, also while it runs. */
  async drained(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.drained()));
  }

  /** Stops the whole tree; the first reason given is the one told. Settles with the true end. */
  cancel(reason: CancelReason): Promise<RunOutcome> {
    this.#requestStop({ cause: "cancelled", reason });
    return this.outcome;
  }

  /** Sends a signal to every process of the run; false when it has ended. */
  signal(signal: NodeJS.Signals): boolean {
    if (this.#outcome) return false;
    this.#enclosure.signal(signal);
    return true;
  }

  /** Gives the run's terminal another size; false when it has none or it is closed. */
  resize(size: TerminalSize): boolean {
    if (this.#terminal === undefined || this.#readers.every((reader) => reader.isClosed)) return false;
    setTerminalSize(this.#terminal, size);
    return true;
  }

  /** Sends a signal to what is in the foreground of the run's terminal; false when that is not possible. */
  signalForeground(signal: NodeJS.Signals): boolean {
    const isKnown = signal === "SIGINT" || signal === "SIGQUIT" || signal === "SIGTSTP";
    if (!isKnown || this.#terminal === undefined || this.#readers.every((reader) => reader.isClosed))
      return false;
    return signalTerminal(this.#terminal, signal);
  }

  /** Everything from `cursor` on, as it happens, up to and including the end; survivors print after that. */
  async *events(cursor: Cursor = JOURNAL_START): AsyncGenerator<RunEvent, void> {
    if (this.pid !== undefined) yield { type: "started", id: this.id, pid: this.pid };
    const reader = this.journal.read(cursor);
    const pace = this.journal.pace.join(reader.cursor);
    try {
      for (;;) {
        const changed = this.journal.changed();
        const ended = this.#outcome;
        if (ended && STREAMS.every((stream) => reader.cursor[stream] >= ended.totals[stream])) break;
        const entry = await reader.next();
        pace.moved(reader.cursor);
        if (entry) yield* upTo(this.#outcome?.totals, entry);
        else if (ended) break;
        else await changed;
      }
    } finally {
      pace.left();
    }
    const { end, usage } = await this.outcome;
    yield { type: "ended", end, usage };
  }

  /** Stops what runs and frees the journal; survivors' later output is read and thrown away. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#outcome) await this.cancel("requested");
    await this.journal.close();
  }

  /** Ends what the run left behind too, and stops reading from it. */
  async destroy(): Promise<void> {
    await this[Symbol.asyncDispose]();
    await this.#enclosure.kill();
    await Promise.all(this.#readers.map((reader) => reader.close()));
  }

  #start(): Child | undefined {
    const { openFiles } = this.#spec.limits;
    const given = this.#spec.stdin;
    const stdin = given && "open" in given ? "open" : given;
    let child: Child | undefined;
    try {
      const { prepared } = this.#spec;
      if (prepared) {
        this.#enclosure.assign(this.id, this.#spec.limits);
        return (child = prepared.begin(this.#spec));
      }
      return this.#enclosure.launch(
        (place) => (child = spawn({ ...this.#spec, ...place, openFiles, stdin })),
      );
    } catch (error) {
      void this.#abandon(child);
      if (!(error instanceof SpawnFailure)) throw error;
      this.#finish({ cause: "could_not_start", reason: error.reason, message: error.message });
      return undefined;
    }
  }

  /** The kernel may have refused a limit when the child already ran. */
  async #abandon(child: Child | undefined): Promise<void> {
    if (child) {
      closeSync(child.stdout);
      if (child.stderr !== undefined) closeSync(child.stderr);
      if (child.stdin !== undefined) closeSync(child.stdin);
      await this.#enclosure.kill();
    }
    this.#enclosure.release();
  }

  #openInput({ stdin }: Child): InputPipe | undefined {
    const given = this.#spec.stdin;
    if (stdin === undefined) return undefined;
    return new InputPipe(stdin, given && "open" in given ? given.open : new Uint8Array(0));
  }

  #record(stream: Stream, bytes: Uint8Array): Promise<void> | undefined {
    const limit = this.#spec.limits.outputBytes ?? Number.POSITIVE_INFINITY;
    const room = limit - this.#outputBytes;
    this.#outputBytes += bytes.byteLength;
    if (bytes.byteLength <= room) return this.#keep(stream, bytes);
    this.#requestStop({ cause: "cancelled", reason: "output_limit" });
    return room > 0 ? this.#keep(stream, bytes.subarray(0, room)) : undefined;
  }

  #keep(stream: Stream, bytes: Uint8Array): Promise<void> | undefined {
    return this.#spec.onOutput ? this.#spec.onOutput(stream, bytes) : this.journal.append(stream, bytes);
  }

  async #supervise(child: Child): Promise<void> {
    const { timeoutMs } = this.#spec;
    if (timeoutMs !== undefined) {
      after(timeoutMs, this.#life.signal, () =>
        this.#requestStop({ cause: "timed_out", afterMs: timeoutMs }),
      );
    }
    const exit = await Promise.race([child.exited, this.#lost()]);
    if (exit === "lost") {
      this.#finish({
        cause: "lost",
        message: `process ${child.pid} did not end ${LOST_AFTER_MS / 1000} s after SIGKILL`,
      });
      return;
    }
    this.#enclosure.leaderReaped(exit);
    await this.#drain();
    const end = this.#judge(exit);
    if (end.cause === "out_of_memory" && !this.#stop) await this.#enclosure.kill();
    this.#finish(end);
    this.#enclosure.release();
  }

  #requestStop(stop: Stop): void {
    if (this.#stop || this.#outcome) return;
    this.#stop = stop;
    this.#enclosure.signal("SIGTERM");
    after(this.#context.killGraceMs, this.#life.signal, () => {
      this.#graceOver.resolve();
      void this.#enclosure.kill();
    });
  }

  /** The output limit or the timeout may be met in what is read after the exit: that ends the tree as well. */
  async #drain(): Promise<void> {
    let stop: Stop | undefined;
    do {
      stop = this.#stop;
      if (stop) await this.#endTree();
      await Promise.all(this.#readers.map((reader) => reader.drained()));
    } while (stop !== this.#stop);
  }

  /** The first process may have heeded SIGTERM while others still clean up: they get the rest of the grace. */
  async #endTree(): Promise<void> {
    const waiting = new AbortController();
    await Promise.race([this.#enclosure.emptied(waiting.signal), this.#graceOver.promise]);
    waiting.abort();
    await this.#enclosure.kill();
  }

  async #lost(): Promise<"lost"> {
    await this.#graceOver.promise;
    const { promise, resolve } = Promise.withResolvers<"lost">();
    after(LOST_AFTER_MS, this.#life.signal, () => resolve("lost"));
    return promise;
  }

  #judge(exit: ChildExit): RunEnd {
    if (this.#stop) return this.#stop;
    const killed = exit.signal === "SIGKILL" || exit.code === 137;
    if (killed && this.#enclosure.usage().oomKills > 0) {
      return { cause: "out_of_memory", limitBytes: this.#spec.limits.memoryBytes ?? null };
    }
    if (exit.signal !== null) return { cause: "signalled", signal: exit.signal };
    if (exit.code !== null) return { cause: "exited", code: exit.code };
    return { cause: "lost", message: "the kernel did not tell how the process ended" };
  }

  #finish(end: RunEnd): void {
    if (this.#outcome) return;
    if (this.#hasParts) this.#lastPeakMemory = this.#enclosure.recentPeakMemory();
    this.#outcome = {
      end,
      usage: end.cause === "could_not_start" ? NO_USAGE : this.#enclosure.usage(),
      durationMs: performance.now() - this.#startedMs,
      totals: this.journal.totals,
    };
    this.#life.abort();
    this.stdin?.[Symbol.dispose]();
    this.#settle(this.#outcome);
    this.journal.wake();
  }
}

/** The part of an entry that lies before the totals of a run that has ended. */
function* upTo(totals: Cursor | undefined, entry: JournalEntry): Generator<JournalEntry, void> {
  const room = (totals?.[entry.stream] ?? Number.POSITIVE_INFINITY) - entry.offset;
  if (room <= 0) return;
  if (entry.type === "dropped") yield { ...entry, length: Math.min(entry.length, room) };
  else yield room >= entry.bytes.byteLength ? entry : { ...entry, bytes: entry.bytes.subarray(0, room) };
}

/** A timer that ends with the run and does not keep the daemon alive. */
function after(ms: number, life: AbortSignal, act: () => void): void {
  if (life.aborted) return;
  const isFar = ms > LONGEST_TIMER_MS;
  const next = isFar ? () => after(ms - LONGEST_TIMER_MS, life, act) : act;
  const timer = setTimeout(next, isFar ? LONGEST_TIMER_MS : ms);
  life.addEventListener("abort", () => clearTimeout(timer), { once: true });
}
