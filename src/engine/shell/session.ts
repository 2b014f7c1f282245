import { join } from "node:path";
import { EngineError } from "../error.ts";
import type { JournalOptions } from "../process/journal.ts";
import type { RunEnd } from "../run.ts";
import { beginLine, commandFile, commandLine, keepLine, readyLine, reportLine } from "./driver.ts";
import { interruptMissed, killSince, lookBefore, programsSince, type Before } from "./interruption.ts";
import type { ShellFiles } from "./shell-files.ts";
import { ShellRun, type ShellCommand } from "./shell-run.ts";
import { Shell, type ShellReport, type ShellStart } from "./shell.ts";

export interface ShellSessionOptions extends Pick<ShellStart, "start" | "program"> {
  readonly id: string;
  readonly files: ShellFiles;
  readonly journal: JournalOptions;
  /** How long a command has after an interrupt, and the shell after its command was killed, in milliseconds. */
  readonly killGraceMs: number;
  /** Told whenever the session begins or ends to be idle. */
  readonly onIdle: (isIdle: boolean) => void;
  /** Told of every command that has been taken on. */
  readonly onRun: (run: ShellRun) => void;
}

/** How long a shell that was interrupted has to answer, before it is asked again, and how often it is asked. */
const ANSWER_MS = 250;
/** A shell that still waits so long after an interrupt may wait for a program that has missed it. */
const MISSED_MS = 50;
const MOST_QUESTIONS = 20;
/** Commands that wait for their turn. */
const MOST_QUEUED = 64;

/** The command that the shell is busy with. */
interface Current {
  readonly run: ShellRun;
  readonly sequence: number;
  readonly before: Before;
  readonly over: PromiseWithResolvers<void>;
}

/**
 * A shell that lasts: what a command changes in it, later commands find. One command at a time; the others wait.
 * A shell that is lost is replaced by one that knows what it knew before its last command, or at its own end.
 */
export class ShellSession implements AsyncDisposable {
  readonly id: string;
  readonly createdAt = new Date();
  readonly #options: ShellSessionOptions;
  readonly #queue: ShellRun[] = [];
  #shell: Shell | undefined;
  #generation = 0;
  #sequence = 0;
  #current: Current | undefined;
  /** Where the present shell keeps what it knows. */
  #stateDirectory = "";
  /** Files of the latest whole states, the newest first. */
  #states: string[] = [];
  #ready: PromiseWithResolvers<void> = Promise.withResolvers();
  #isClosed = false;
  #worker: Promise<void> | undefined;

  constructor(options: ShellSessionOptions) {
    this.id = options.id;
    this.#options = options;
  }

  /** The run of the command under way. */
  get current(): ShellRun | undefined {
    return this.#current?.run;
  }

  /** How often the shell had to be replaced. */
  get replacements(): number {
    return Math.max(0, this.#generation - 1);
  }

  /** Starts the shell; `run` does it too where it has not been. */
  async open(): Promise<void> {
    if (this.#shell === undefined || this.#shell.hasEnded) await this.#startShell();
  }

  /**
   * Runs a command when its turn comes.
   * @throws EngineError `invalid` for a NUL byte, `gone` when the session is closed, `busy` when too many wait.
   */
  run(command: ShellCommand): ShellRun {
    if (command.text.includes("\0"))
      throw new EngineError("invalid", "Cannot run a command with a NUL byte: bash would pass over it");
    if (this.#isClosed) throw new EngineError("gone", `Cannot run in session ${this.id}: it is closed`);
    if (this.#queue.length >= MOST_QUEUED)
      throw new EngineError("busy", `Cannot run in session ${this.id}: ${MOST_QUEUED} commands wait already`);
    const run: ShellRun = new ShellRun(command, this.#options.journal, () => this.#stop(run));
    this.#queue.push(run);
    this.#options.onRun(run);
    this.#worker ??= this.#work().finally(() => (this.#worker = undefined));
    return run;
  }

  /** Takes no new commands, and stops those that have not ended by themselves when it is late. */
  async drain(late: AbortSignal): Promise<void> {
    this.#isClosed = true;
    const runs = [...this.#queue, ...(this.current ? [this.current] : [])];
    const stop = () => runs.forEach((run) => void run.cancel("shutdown"));
    if (late.aborted) stop();
    else late.addEventListener("abort", stop, { once: true });
    await Promise.all(runs.map((run) => run.outcome));
  }

  /** Ends the command under way, what it started and everything that earlier commands left running. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const waiting = this.#queue.splice(0);
    for (const run of [...waiting, ...(this.current ? [this.current] : [])])
      if (run.stop === undefined) void run.cancel("shutdown");
    for (const run of waiting) run.finish({ cause: "cancelled", reason: "shutdown" });
    await this.#shell?.[Symbol.asyncDispose]();
    await this.#worker;
    await this.#options.files[Symbol.asyncDispose]();
  }

  async #work(): Promise<void> {
    this.#options.onIdle(false);
    for (let run = this.#queue.shift(); run !== undefined; run = this.#queue.shift())
      await this.#execute(run);
    this.#options.onIdle(true);
  }

  async #execute(run: ShellRun): Promise<void> {
    const sequence = ++this.#sequence;
    const { files } = this.#options;
    try {
      await this.open();
      const file = await files.writeCommand(sequence, commandFile(run.command.text, run.trace));
      if (!run.hasEnded) await this.#hand(run, sequence, file);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      run.finish({ cause: "could_not_start", reason: "other", message });
    } finally {
      await files.removeCommand(sequence);
    }
  }

  async #hand(run: ShellRun, sequence: number, file: string): Promise<void> {
    const shell = this.#shell;
    // Nobody is told an end that nobody knows: a shell that could not be started has thrown.
    if (shell?.pid === undefined) return;
    const over: Current["over"] = Promise.withResolvers();
    const before = lookBefore(shell.pid);
    this.#current = { run, sequence, before, over };
    run.begin(shell.pid);
    const state = join(this.#stateDirectory, String(sequence % 2));
    shell.say(commandLine(file, run.command.cwd), reportLine(sequence), keepLine(state, sequence));
    await Promise.race([over.promise, shell.ended.then(({ end }) => run.finish(end))]);
    this.#current = undefined;
    if (run.stop !== undefined && !shell.hasEnded) await this.#settle(shell, sequence, before);
  }

  /**
   * After an interrupt, until the shell has answered a question: one that came late would hit the next command, and
   * one that came between the shell's fork and the program leaves that running. What a command that was stopped has
   * started goes with it. A question that was swallowed is asked again; a shell that never answers is replaced.
   */
  async #settle(shell: Shell, sequence: number, before: Before): Promise<void> {
    this.#ready = Promise.withResolvers();
    const ready = this.#ready.promise.then(() => true);
    for (let asked = 0; asked < MOST_QUESTIONS && !shell.hasEnded; asked++) {
      if (shell.pid !== undefined) killSince(shell.pid, before);
      shell.say(readyLine(sequence));
      if (await settlesWithin(Promise.race([ready, shell.ended]), ANSWER_MS)) return;
    }
    await shell[Symbol.asyncDispose]();
  }

  async #startShell(): Promise<void> {
    const { files } = this.#options;
    const earlier = this.#generation === 0 ? [] : [join(this.#stateDirectory, "exit"), ...this.#states];
    this.#generation++;
    const directory = files.makeState(this.#generation);
    this.#ready = Promise.withResolvers();
    const shell = await Shell.start({
      ...this.#options,
      onOutput: (stream, bytes) => this.#current?.run.print(stream, bytes),
      onReport: (report) => this.#hear(shell, report),
    });
    this.#shell = shell;
    this.#stateDirectory = directory;
    shell.say(beginLine(directory, earlier));
    const end = await Promise.race([this.#ready.promise, shell.ended]);
    if (end)
      throw new EngineError("unavailable", `The shell of session ${this.id} ended before it was ready`);
    await shell.drained();
  }

  #hear(shell: Shell, { word, sequence, status }: ShellReport): void {
    if (shell !== this.#shell) return;
    if (word === "ready") this.#ready.resolve();
    if (word === "kept") this.#keep(join(this.#stateDirectory, String(sequence % 2)));
    const current = this.#current;
    if (word === "done" && current?.sequence === sequence) void this.#end(shell, current, status);
  }

  #keep(file: string): void {
    this.#states = [file, ...this.#states.filter((state) => state !== file)].slice(0, 2);
  }

  async #end(shell: Shell, { run, over }: Current, status: number): Promise<void> {
    await shell.drained();
    run.finish(endOf(status));
    over.resolve();
  }

  /** First as a person at a terminal would, then by force; the shell itself only when it does not come back. */
  #stop(run: ShellRun): void {
    const waiting = this.#queue.indexOf(run);
    if (waiting >= 0) {
      this.#queue.splice(waiting, 1);
      // What is told is why it was stopped.
      run.finish({ cause: "cancelled", reason: "requested" });
      return;
    }
    const current = this.#current;
    if (current?.run === run) void this.#interrupt(current);
  }

  async #interrupt({ run, sequence, before }: Current): Promise<void> {
    const shell = this.#shell;
    const { killGraceMs } = this.#options;
    if (shell?.pid === undefined) return;
    const again = () => {
      if (run.hasEnded || shell.hasEnded) return;
      shell.signal("SIGINT");
      // The interrupt may have hit the report itself.
      shell.say(reportLine(sequence));
    };
    const reached = programsSince(shell.pid, before);
    again();
    if (await endsWithin(run, MISSED_MS)) return;
    interruptMissed(shell.pid, before, reached);
    if (await endsWithin(run, killGraceMs)) return;
    killSince(shell.pid, before);
    again();
    if (await endsWithin(run, killGraceMs)) return;
    await shell[Symbol.asyncDispose]();
  }
}

function endsWithin(run: ShellRun, ms: number): Promise<boolean> {
  return settlesWithin(run.outcome, ms);
}

async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  const isSettled = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return isSettled;
}

function endOf(status: number): RunEnd {
  return { cause: "exited", code: status };
}
