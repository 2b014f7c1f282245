import { join } from "node:path";
import type { Environment } from "../environment.ts";
import { EngineError } from "../error.ts";
import type { JournalOptions } from "../process/journal.ts";
import type { ProcessRun, ProcessRunSpec } from "../process/process-run.ts";
import { RUN_ID_VARIABLE } from "../process/process-group.ts";
import type { RunTable } from "../runs.ts";
import type { RunUser } from "../user.ts";
import { ShellSession } from "./session.ts";
import type { ShellRun } from "./shell-run.ts";
import { ShellFiles } from "./shell-files.ts";

export interface ShellSettings {
  readonly maxSessions: number;
  /** How long a session lives without a command, in milliseconds. */
  readonly sessionIdleMs: number;
  readonly killGraceMs: number;
}

export interface ShellSessionsOptions extends ShellSettings {
  readonly runs: RunTable;
  /** A directory that only the daemon may write, and others may pass through. */
  readonly directory: string;
  readonly user: RunUser | undefined;
  readonly journal: JournalOptions;
  /** Where bash is, in the PATH of a session; undefined: nowhere. */
  readonly findBash: () => string | undefined;
  readonly environment: () => Environment;
  /** Told of every command that a session has taken on. */
  readonly onRun: (run: ShellRun) => void;
  readonly onNotice: (notice: string, details?: Readonly<Record<string, unknown>>) => void;
}

export interface NewSession {
  /** Absolute. */
  readonly cwd: string;
  readonly env?: Environment | undefined;
}

/** The shell sessions: each until it is closed, or nobody has used it for too long. */
export class ShellSessions implements AsyncDisposable {
  readonly #options: ShellSessionsOptions;
  readonly #sessions = new Map<string, ShellSession>();
  readonly #expiries = new Map<string, Timer>();
  #isClosing = false;

  constructor(options: ShellSessionsOptions) {
    this.#options = options;
  }

  /**
   * Opens a session and its shell.
   * @throws EngineError `busy` when there are too many, `unsupported` without bash, `unavailable` when the shell
   * does not come up.
   */
  async create({ cwd, env }: NewSession): Promise<ShellSession> {
    const { maxSessions, directory, user, journal, killGraceMs } = this.#options;
    if (this.#isClosing)
      throw new EngineError("unavailable", "Cannot open a session: the daemon is shutting down");
    if (this.#sessions.size >= maxSessions)
      throw new EngineError(
        "busy",
        `Cannot open another session: ${maxSessions} are open, which is the limit`,
      );
    const program = this.#options.findBash();
    if (program === undefined)
      throw new EngineError("unsupported", "Cannot open a session: there is no bash on this machine");
    const id = crypto.randomUUID();
    const session: ShellSession = new ShellSession({
      id,
      program,
      journal,
      killGraceMs,
      files: new ShellFiles(join(directory, `shell-${id}`), user),
      start: (spec) => this.#start({ cwd, env }, spec),
      onIdle: (isIdle) => this.#expire(session, isIdle),
      onRun: this.#options.onRun,
    });
    this.#sessions.set(id, session);
    try {
      await session.open();
    } catch (error) {
      await this.close(id);
      throw error;
    }
    this.#expire(session, true);
    return session;
  }

  get(id: string): ShellSession | undefined {
    return this.#sessions.get(id);
  }

  /** Oldest first. */
  list(): ShellSession[] {
    return [...this.#sessions.values()];
  }

  /** Ends a session and everything in it; false when there is none of that id. */
  async close(id: string): Promise<boolean> {
    const session = this.#sessions.get(id);
    clearTimeout(this.#expiries.get(id));
    this.#expiries.delete(id);
    if (!this.#sessions.delete(id)) return false;
    await session?.[Symbol.asyncDispose]();
    return true;
  }

  /**
   * Takes no new commands and gives those under way `graceMs` to end by themselves before they are cancelled.
   * @param hurry Aborted when there is no time for that.
   */
  async drain(graceMs: number, hurry: AbortSignal): Promise<void> {
    this.#isClosing = true;
    const late = AbortSignal.any([AbortSignal.timeout(graceMs), hurry]);
    await Promise.all(this.list().map((session) => session.drain(late)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#sessions.keys()].map((id) => this.close(id)));
  }

  #start(
    { cwd, env }: NewSession,
    spec: Partial<ProcessRunSpec> & Pick<ProcessRunSpec, "argv">,
  ): Promise<ProcessRun> {
    const { runs, user, environment } = this.#options;
    return runs.startService((id) =>
      Promise.resolve({
        ...spec,
        cwd,
        env: { ...environment(), ...env, [RUN_ID_VARIABLE]: id },
        user,
        limits: {},
      }),
    );
  }

  #expire(session: ShellSession, isIdle: boolean): void {
    clearTimeout(this.#expiries.get(session.id));
    if (!isIdle || !this.#sessions.has(session.id)) return;
    const timer = setTimeout(() => void this.#closeIdle(session.id), this.#options.sessionIdleMs);
    timer.unref();
    this.#expiries.set(session.id, timer);
  }

  async #closeIdle(id: string): Promise<void> {
    try {
      await this.close(id);
    } catch (cause) {
      this.#options.onNotice("cannot close an idle session", { id, cause: String(cause) });
    }
  }
}
