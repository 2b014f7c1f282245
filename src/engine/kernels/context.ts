import { EngineError } from "../error.ts";
import type { RunEnd, RunUsage } from "../run.ts";
import { Errand } from "./errand.ts";
import type { Kernel } from "./kernel.ts";
import type { KernelKind } from "./kernel-kind.ts";
import { KernelRun, type ExecuteRequest, type KernelRunOptions } from "./kernel-run.ts";
import { Queue } from "./queue.ts";
import { RawOutput } from "./raw-output.ts";
import { describeDeath, Turn, type Sentence } from "./turn.ts";

export type ContextState = "starting" | "idle" | "busy" | "restarting" | "dead";

export interface ContextOptions {
  readonly id: string;
  readonly kind: KernelKind;
  /** Absolute. */
  readonly cwd: string;
  /** Gives a kernel in the directory and environment of the context. */
  readonly acquire: (signal: AbortSignal) => Promise<Kernel>;
  readonly run: KernelRunOptions;
  /** Runs that may wait for their turn. */
  readonly queueLength: number;
  /** From an interrupt until the kernel must be idle, in milliseconds; then it is restarted. */
  readonly interruptGraceMs: number;
  /** Told whenever it begins or ends to be idle. */
  readonly onActivity: () => void;
  /** Told of every run that has been taken on. */
  readonly onRun: (run: KernelRun) => void;
}

/** A language with state: one kernel, and the runs that are executed in it one after the other. */
export class KernelContext implements AsyncDisposable {
  readonly id: string;
  readonly language: string;
  readonly kind: KernelKind;
  readonly cwd: string;
  readonly createdAt = new Date();
  readonly #options: ContextOptions;
  readonly #queue: Queue<KernelRun | Errand>;
  /** Aborted when the context is deleted. */
  readonly #life = new AbortController();
  #state: ContextState = "starting";
  #kernel: Kernel | undefined;
  #raw: RawOutput | undefined;
  /** Of the run under way. */
  #turn: Turn | undefined;
  #isDraining = false;
  #replacing: Promise<void> | undefined;
  /** Why a kernel was ended by us. */
  readonly #sentences = new WeakMap<Kernel, Sentence>();
  #death: RunEnd | undefined;
  #executions = 0;
  #restarts = 0;
  #lastActivityAt = new Date();

  constructor(options: ContextOptions) {
    this.#options = options;
    this.id = options.id;
    this.kind = options.kind;
    this.language = options.kind.language;
    this.cwd = options.cwd;
    this.#queue = new Queue(options.queueLength);
  }

  get state(): ContextState {
    return this.#state;
  }

  /** Runs, and copies, that wait for their turn. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Runs whose turn has come so far. */
  get executions(): number {
    return this.#executions;
  }

  /** How often the kernel was replaced by a fresh one, and its variables were lost. */
  get restarts(): number {
    return this.#restarts;
  }

  /** When a run was last asked for, begun or ended. */
  get lastActivityAt(): Date {
    return this.#lastActivityAt;
  }

  /** Of the kernel; undefined when there is none just now. */
  get pid(): number | undefined {
    return this.#state === "dead" ? undefined : this.#kernel?.pid;
  }

  /** Whether the kernel was forked from a process that had loaded what it needs; undefined when there is none. */
  get isForked(): boolean | undefined {
    return this.#kernel?.process.isWarm;
  }

  /** Of the kernel since its start. */
  get usage(): RunUsage | undefined {
    return this.#kernel?.process.usage;
  }

  /** How the kernel ended by itself; undefined while it lives. */
  get death(): RunEnd | undefined {
    return this.#death;
  }

  /** Starts the kernel. @throws EngineError as `startKernel`. */
  async open(): Promise<void> {
    try {
      const kernel = await this.#options.acquire(this.#life.signal);
      if (this.#life.signal.aborted) await kernel[Symbol.asyncDispose]();
      this.#life.signal.throwIfAborted();
      this.#attach(kernel);
    } catch (error) {
      this.#bury({ cause: "could_not_start", reason: "other", message: messageOf(error) });
      throw error;
    }
  }

  /**
   * Executes code when its turn comes.
   * @throws EngineError `busy` when too many wait, `gone` when the kernel has died, `invalid` for a timeout
   * that is none.
   */
  execute(request: ExecuteRequest): Promise<KernelRun> {
    try {
      return Promise.resolve(this.#enqueue(request));
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /**
   * Does something in the kernel that is no run, when its turn comes.
   * @param signal Aborted when it is no longer wanted; what has begun goes on.
   * @throws EngineError `busy` when too many wait, `gone` when the kernel has died by then; as `act`.
   */
  async perform<T>(act: (kernel: Kernel) => Promise<T>, signal: AbortSignal): Promise<T> {
    this.#refuseMore("copy");
    const result: T[] = [];
    const errand = new Errand(async (kernel) => void result.push(await act(kernel)));
    this.#queue.push(errand);
    const cancel = () =>
      this.#queue.remove(errand) && errand.lose("It was no longer wanted before its turn came");
    if (signal.aborted) cancel();
    else signal.addEventListener("abort", cancel, { once: true });
    void this.#work();
    await errand.done.finally(() => signal.removeEventListener("abort", cancel));
    return result[0] as T; // It is there when the errand is done.
  }

  /**
   * Interrupts the run under way; when the kernel is not idle after the grace it is restarted.
   * @throws EngineError `gone` when the kernel has died, also of the interrupt.
   */
  async interrupt(): Promise<"interrupted" | "restarted" | "idle"> {
    if (this.#death) throw this.#gone("interrupt");
    const how = await this.#turn?.interrupt();
    if (how === "died") throw this.#gone("interrupt");
    return how ?? "idle";
  }

  /** Replaces the kernel by a fresh one: variables are lost, and so are the runs under way and waiting. */
  async restart(): Promise<void> {
    await this.#replace({ name: "KernelRestarted", message: "The kernel was restarted on request" });
  }

  /** Takes no new runs; what runs or waits ends by itself, or is cancelled when it is late. */
  async drain(late: AbortSignal): Promise<void> {
    this.#isDraining = true;
    const waiting = this.#queue.items.filter((item) => item instanceof KernelRun);
    const runs = [...(this.#turn ? [this.#turn.run] : []), ...waiting];
    const cancelAll = () => runs.forEach((run) => void run.cancel("shutdown"));
    if (late.aborted) cancelAll();
    else late.addEventListener("abort", cancelAll, { once: true });
    await Promise.all(runs.map((run) => run.outcome));
  }

  /** Ends the kernel, and with it the runs under way and waiting. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort();
    const kernel = this.#kernel;
    if (kernel) this.#sentences.set(kernel, { name: "ContextDeleted", message: "The context was deleted" });
    this.#bury({ cause: "cancelled", reason: "requested" });
    await kernel?.[Symbol.asyncDispose]();
  }

  #refuseMore(what: string): void {
    if (this.#death) throw this.#gone(what);
    if (this.#isDraining)
      throw new EngineError("unavailable", "Cannot start a run: the daemon is shutting down");
    const waits = this.#state !== "idle" || this.#queue.length > 0;
    if (!waits || !this.#queue.isFull) return;
    const { length } = this.#queue;
    throw new EngineError(
      "busy",
      `Cannot ${what} context ${this.id}: ${length} runs wait already, which is the limit`,
    );
  }

  #enqueue(request: ExecuteRequest): KernelRun {
    this.#refuseMore("execute code in");
    const run = new KernelRun(this, request, this.#options.run);
    this.#queue.push(run);
    this.#options.onRun(run);
    void run.stopRequested.then((stop) => this.#queue.remove(run) && run.finish(stop));
    this.#touch();
    void this.#work();
    return run;
  }

  async #work(): Promise<void> {
    while (this.#state === "idle" && this.#kernel) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#state = "busy";
      if (next instanceof KernelRun) this.#executions++;
      this.#touch();
      await (next instanceof Errand ? this.#perform(this.#kernel, next) : this.#execute(this.#kernel, next));
      this.#touch();
    }
  }

  async #perform(kernel: Kernel, errand: Errand): Promise<void> {
    await errand.perform(kernel);
    if (this.#state === "busy" && this.#kernel === kernel) this.#state = "idle";
  }

  async #execute(kernel: Kernel, run: KernelRun): Promise<void> {
    const { interruptGraceMs } = this.#options;
    const seconds = interruptGraceMs / 1000;
    const message = `The kernel did not stop within ${seconds} s of an interrupt and was restarted: its variables are lost`;
    const turn = new Turn(run, {
      kernel,
      raw: this.#raw,
      interruptGraceMs,
      sentence: () => this.#sentences.get(kernel),
      replace: () => this.#replace({ name: "KernelRestarted", message }),
    });
    this.#turn = turn;
    const end = await turn.take();
    // A fresh kernel may have begun with the next run already.
    if (this.#turn === turn) {
      this.#turn = undefined;
      if (this.#state === "busy") this.#state = "idle";
    }
    run.finish(end);
  }

  /** Once, however many ask for it at the same time. */
  #replace(sentence: Sentence): Promise<void> {
    return (this.#replacing ??= this.#swap(sentence).finally(() => {
      this.#replacing = undefined;
    }));
  }

  async #swap(sentence: Sentence): Promise<void> {
    if (this.#death) throw this.#gone("restart");
    this.#state = "restarting";
    this.#restarts++;
    this.#loseQueue(`${sentence.message}, before the turn of this run came`);
    const old = this.#kernel;
    if (old) this.#sentences.set(old, sentence);
    this.#kernel = undefined;
    await old?.[Symbol.asyncDispose]();
    await this.open();
  }

  #attach(kernel: Kernel): void {
    this.#kernel = kernel;
    this.#raw = kernel.kind.forwardsOutput ? undefined : new RawOutput(kernel.process);
    this.#state = "idle";
    void kernel.died.then(({ end }) => this.#kernel === kernel && this.#bury(end));
    this.#touch();
    void this.#work();
  }

  #bury(end: RunEnd): void {
    if (this.#death) return;
    this.#death = end;
    this.#state = "dead";
    this.#loseQueue(`The kernel ${describeDeath(end)} before the turn of this run came`);
    // What it started ends with it.
    void this.#kernel?.[Symbol.asyncDispose]();
    this.#touch();
  }

  #loseQueue(message: string): void {
    for (const item of this.#queue.clear()) {
      if (item instanceof Errand) item.lose(message);
      else item.finish({ cause: "lost", message });
    }
  }

  #touch(): void {
    this.#lastActivityAt = new Date();
    this.#options.onActivity();
  }

  #gone(what: string): EngineError {
    const how = this.#death ? describeDeath(this.#death) : "is gone";
    return new EngineError("gone", `Cannot ${what} context ${this.id}: its kernel ${how}`, {
      details: { death: this.#death },
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
