import { EngineError } from "../error.ts";
import type { RunLimits } from "../process/containment.ts";
import { INPUT_CAPACITY, type InputPipe } from "../process/input-pipe.ts";
import type { TerminalSize } from "../process/libc.ts";
import type { ProcessRun, ProcessRunSpec } from "../process/process-run.ts";
import type { RunEnd, SignalName, Stream } from "../run.ts";
import type { Attachment, Life, Role } from "./attachment.ts";
import { Audience, type AttachOptions } from "./audience.ts";
import { Recording, type RecordingOptions } from "./recording.ts";
import { TerminalLog } from "./terminal-log.ts";

/** `terminal`: one stream, with echo, line editing and job control; `pipes`: stdout and stderr apart, and none of that. */
export type TerminalMode = "terminal" | "pipes";

/** What a session is; its program is started by `start`. */
export interface SessionFacts {
  readonly id: string;
  /** Given by its maker, unlike any other's. */
  readonly name: string | undefined;
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** Of each start. */
  readonly limits: RunLimits;
}

export interface SessionOptions {
  readonly replayBytes: number;
  readonly recording: RecordingOptions;
  /** Starts the program. @throws EngineError as `Engine.startCommand`. */
  launch(
    spec: Pick<ProcessRunSpec, "argv" | "terminal" | "onOutput"> &
      Pick<SessionFacts, "cwd" | "env" | "limits">,
  ): Promise<ProcessRun>;
}

interface Started {
  readonly run: ProcessRun;
  readonly mode: TerminalMode;
  readonly life: Life;
}

/** Of one write; the program's input holds several. */
const WRITE_BYTES = INPUT_CAPACITY / 2;

/**
 * A program on a terminal (or on pipes) that outlives its connections: one log of what it printed, one holder that
 * types, any number of viewers. When its program has ended it can be started again; offsets go on.
 */
export class TerminalSession implements AsyncDisposable {
  readonly createdAt = new Date();
  readonly #options: SessionOptions;
  readonly #log: TerminalLog;
  readonly #audience: Audience;
  #size: TerminalSize;
  /** The last start. */
  #last: Started | undefined;
  #starting: Promise<void> | undefined;
  #recording: Recording | undefined;
  #activeMs = performance.now();
  #isClosed = false;

  constructor(
    readonly facts: SessionFacts,
    size: TerminalSize,
    options: SessionOptions,
  ) {
    this.#size = size;
    this.#options = options;
    this.#log = new TerminalLog(options.replayBytes);
    this.#audience = new Audience(this.#log, () => (this.#activeMs = performance.now()));
  }

  get id(): string {
    return this.facts.id;
  }

  get isRunning(): boolean {
    return this.#last !== undefined && this.#last.life.ended === undefined;
  }

  /** How its program ended last; undefined before the first start and while it runs. */
  get end(): RunEnd | undefined {
    return this.#last?.life.ended?.end;
  }

  /** Undefined before the first start. */
  get mode(): TerminalMode | undefined {
    return this.#last?.mode;
  }

  get pid(): number | undefined {
    return this.isRunning ? this.#last?.run.pid : undefined;
  }

  get size(): TerminalSize {
    return this.#size;
  }

  /** Bytes printed so far, in all. */
  get outputOffset(): number {
    return this.#log.end;
  }

  get isHeld(): boolean {
    return this.#audience.isHeld;
  }

  get viewers(): number {
    return this.#audience.viewers;
  }

  get recording(): Recording | undefined {
    return this.#recording;
  }

  /** Milliseconds since anybody was attached or anything was typed or printed. */
  get idleMs(): number {
    return this.#audience.isEmpty ? performance.now() - this.#activeMs : 0;
  }

  /**
   * Starts the program unless it runs.
   * @throws EngineError `invalid` when it cannot be started, `gone` when the session has been closed.
   */
  async start(mode: TerminalMode): Promise<void> {
    if (this.isRunning) return;
    this.#starting ??= this.#launch(mode).finally(() => (this.#starting = undefined));
    await this.#starting;
  }

  /**
   * Attaches a reader to the program that was started last.
   * @throws EngineError `conflict` when it is held and is not to be taken over, or was never started.
   */
  attach(role: Role, options: AttachOptions): Attachment {
    if (this.#last) return this.#audience.admit(role, this.#last.life, options);
    throw new EngineError("conflict", `Terminal session ${this.id} has not been started`);
  }

  /**
   * Types. Settles when the program's input has room again, or the signal aborts.
   * @throws EngineError `conflict` when the program has ended or has closed its input.
   */
  async write(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    this.#activeMs = performance.now();
    for (let at = 0; at < bytes.byteLength; at += WRITE_BYTES) {
      const input = this.#last?.run.stdin;
      if (!this.isRunning || input === undefined)
        throw new EngineError(
          "conflict",
          `Cannot type: the program of terminal session ${this.id} has ended`,
        );
      await roomOf(input, signal);
      if (signal.aborted) return;
      input.write(bytes.subarray(at, at + WRITE_BYTES));
    }
  }

  /** Without effect on pipes; kept for the next start. */
  resize(size: TerminalSize): void {
    this.#size = size;
    this.#last?.run.resize(size);
    this.#recording?.resized(size);
  }

  /**
   * As a keyboard does: SIGINT and SIGQUIT go to what is in the foreground of the terminal. Others, and all on
   * pipes, go to everything that the session started.
   */
  signal(signal: SignalName): void {
    if (!this.isRunning) return;
    if (this.#last?.run.signalForeground(signal) !== true) this.#last?.run.signal(signal);
  }

  /** @throws EngineError `conflict` when one is under way. */
  startRecording(): Recording {
    if (this.#recording?.state === "recording")
      throw new EngineError("conflict", `Terminal session ${this.id} is being recorded`);
    void this.#recording?.[Symbol.asyncDispose]();
    const { TERM = "" } = this.facts.env;
    this.#recording = new Recording(this.#size, { TERM }, this.#options.recording);
    return this.#recording;
  }

  /** Hangs up: the program and all it started end; readers are told the rest and the end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#starting?.catch(() => undefined);
    const run = this.#last?.run;
    // Shells heed this one; SIGTERM alone they ignore when somebody types.
    run?.signal("SIGHUP");
    await run?.destroy();
    await this.#recording?.[Symbol.asyncDispose]();
  }

  async #launch(mode: TerminalMode): Promise<void> {
    if (this.#isClosed) throw new EngineError("gone", `Terminal session ${this.id} has been closed`);
    const { argv, cwd, env, limits } = this.facts;
    const life: Life = { ended: undefined };
    const run = await this.#options.launch({
      argv,
      cwd,
      env,
      limits,
      terminal: mode === "terminal" ? this.#size : undefined,
      // What survivors print after the end belongs to nobody.
      onOutput: (stream, bytes) => (life.ended ? undefined : this.#receive(stream, bytes)),
    });
    void run.outcome.then(({ end }) => this.#ended(run, life, end));
    if (run.pid === undefined) throw await startFailure(run, argv[0]);
    this.#last = { run, mode, life };
    // The size may have been changed while it was started.
    run.resize(this.#size);
  }

  #receive(stream: Stream, bytes: Uint8Array): Promise<void> | undefined {
    this.#activeMs = performance.now();
    this.#log.append(stream, bytes);
    const waits = [this.#recording?.output(bytes), this.#audience.pace()].filter(
      (wait) => wait !== undefined,
    );
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }

  #ended(run: ProcessRun, life: Life, end: RunEnd): void {
    life.ended = { end, offset: this.#log.end };
    this.#activeMs = performance.now();
    this.#log.wake();
    void run[Symbol.asyncDispose]();
  }
}

async function startFailure(run: ProcessRun, program: string): Promise<EngineError> {
  const { end } = await run.outcome;
  const reason = end.cause === "could_not_start" ? end.message : `${program} did not start`;
  return new EngineError("invalid", `Cannot start a terminal session: ${reason}`);
}

/** Settles when the program's input has room, or the signal aborts. */
async function roomOf(input: InputPipe, signal: AbortSignal): Promise<void> {
  // The usual case: a key a time, for weeks, must leave nothing behind at the signal.
  if (input.waitingBytes <= INPUT_CAPACITY / 2 || signal.aborted) return;
  const { promise: gone, resolve }: PromiseWithResolvers<void> = Promise.withResolvers();
  const abort = () => resolve();
  signal.addEventListener("abort", abort, { once: true });
  await Promise.race([input.room(), gone]);
  signal.removeEventListener("abort", abort);
}
