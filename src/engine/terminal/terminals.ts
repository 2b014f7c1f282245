import { EngineError } from "../error.ts";
import type { TerminalSize } from "../process/libc.ts";
import type { RunLimits } from "../process/containment.ts";
import type { JournalOptions } from "../process/journal.ts";
import type { ProcessRun, ProcessRunSpec } from "../process/process-run.ts";
import type { RunId } from "../run.ts";
import type { RunTable } from "../runs.ts";
import { TerminalSession, type SessionFacts, type SessionOptions } from "./session.ts";

export interface TerminalOptions {
  /** Sessions that may be there at once. */
  readonly maxTerminals: number;
  /** A session that nobody is attached to and in which nothing happens for so long is closed; 0: never. */
  readonly terminalIdleMs: number;
  /** Output kept of a session for readers that come later or are slow. */
  readonly terminalReplayBytes: number;
  readonly terminalRecordingBytes: number;
}

/** What terminals need of the rest of the engine. */
export interface TerminalSurroundings {
  readonly runs: RunTable;
  readonly journal: JournalOptions;
  /** Told of every program that a session starts; gives it back. */
  readonly onRun: (run: ProcessRun) => ProcessRun;
  readonly place: (
    id: RunId,
    request: Pick<SessionFacts, "cwd" | "env" | "limits">,
  ) => Omit<ProcessRunSpec, "id" | "argv">;
}

export interface TerminalRequest {
  readonly argv: readonly [string, ...string[]];
  /** Unlike any other's; absent: it has only its id. */
  readonly name?: string | undefined;
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly size?: TerminalSize | undefined;
  readonly limits?: RunLimits | undefined;
}

export const DEFAULT_SIZE: TerminalSize = { cols: 80, rows: 24 };
/** What nearly every emulator understands. */
const TERM = "xterm-256color";

/** Every terminal session, until it is closed. */
export class Terminals implements AsyncDisposable {
  readonly #options: TerminalOptions;
  readonly #sessionOptions: SessionOptions;
  /** In order of making. */
  readonly #sessions = new Map<string, TerminalSession>();
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(options: TerminalOptions, { runs, journal, place, onRun }: TerminalSurroundings) {
    this.#options = options;
    this.#sessionOptions = {
      replayBytes: options.terminalReplayBytes,
      recording: { ...journal, mostBytes: options.terminalRecordingBytes },
      launch: ({ cwd, env, limits, ...spec }) =>
        runs
          .startService((id) =>
            Promise.resolve({
              ...place(id, { cwd, env, limits }),
              stdin: { open: new Uint8Array(0) },
              ...spec,
            }),
          )
          .then(onRun),
    };
  }

  /**
   * Makes a session, whose program `TerminalSession.start` starts.
   * @throws EngineError `busy` when there are too many, `exists` when the name is taken, `invalid`.
   */
  create({ argv, name, cwd, env, size = DEFAULT_SIZE, limits = {} }: TerminalRequest): TerminalSession {
    if (name !== undefined) this.#requireName(name);
    this.#makeRoom();
    const facts: SessionFacts = { id: crypto.randomUUID(), name, argv, cwd, env: { TERM, ...env }, limits };
    const session = new TerminalSession(facts, size, this.#sessionOptions);
    this.#sessions.set(session.id, session);
    if (this.#options.terminalIdleMs > 0) this.#expire(session, this.#options.terminalIdleMs);
    return session;
  }

  /** By id or name. */
  find(id: string): TerminalSession | undefined {
    return this.#sessions.get(id) ?? this.list().find(({ facts }) => facts.name === id);
  }

  list(): TerminalSession[] {
    return [...this.#sessions.values()];
  }

  /** Forgets a session and ends all that runs in it. */
  async close(session: TerminalSession): Promise<void> {
    clearTimeout(this.#timers.get(session.id));
    this.#timers.delete(session.id);
    this.#sessions.delete(session.id);
    await session[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.list().map((session) => this.close(session)));
  }

  #requireName(name: string): void {
    requireSessionName(name);
    if (this.find(name)) throw new EngineError("exists", `There is a terminal session ${name} already`);
  }

  /** The oldest whose program has ended and that nobody looks at makes way. */
  #makeRoom(): void {
    if (this.#sessions.size < this.#options.maxTerminals) return;
    const ended = this.list().find((session) => session.end !== undefined && session.idleMs > 0);
    if (ended === undefined)
      throw new EngineError(
        "busy",
        `Cannot open another terminal session: there are ${this.#sessions.size}, which is the limit`,
      );
    void this.close(ended);
  }

  /** Looks again when it may be over: what happens meanwhile puts it off. */
  #expire(session: TerminalSession, afterMs: number): void {
    const timer = setTimeout(
      () => {
        const leftMs = this.#options.terminalIdleMs - session.idleMs;
        if (leftMs > 0) this.#expire(session, leftMs);
        else void this.close(session);
      },
      Math.min(afterMs, 2 ** 31 - 1),
    );
    // It does not keep the daemon alive.
    timer.unref();
    this.#timers.set(session.id, timer);
  }
}

/** @throws EngineError `invalid`. */
export function requireSessionName(name: string): void {
  if (!/^[\w.-]{1,64}$/.test(name))
    throw new EngineError(
      "invalid",
      `Cannot name a terminal session ${JSON.stringify(name)}: use up to 64 letters, digits, dots, dashes and underscores`,
    );
}
