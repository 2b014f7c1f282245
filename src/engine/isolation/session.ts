import { chown, mkdir } from "node:fs/promises";
import { EngineError } from "../error.ts";
import { checkVariable, type Environment } from "../environment.ts";
import type { RunId } from "../run.ts";
import type { RunUser } from "../user.ts";
import type { ShellSession } from "../shell/session.ts";
import type { ShellRun } from "../shell/shell-run.ts";
import { IsolatedBackgroundRun } from "./background-run.ts";
import type { IsolationSpec, PlacedMount } from "./spec.ts";

export interface IsolatedCommand {
  readonly code: string;
  /** For this command only. */
  readonly env: Environment;
  readonly timeoutMs?: number | undefined;
}

export interface IsolatedSessionParts {
  readonly spec: IsolationSpec;
  readonly mounts: readonly PlacedMount[];
  readonly shell: ShellSession;
  /** Of the session's own, writable inside. */
  readonly directory: string;
  /** Who its programs are; undefined: the daemon's own user. */
  readonly user: RunUser | undefined;
}

const MOST_BACKGROUND_RUNS = 256;

/** A shell in namespaces of its own, with the files it may use. */
export class IsolatedSession {
  readonly spec: IsolationSpec;
  readonly mounts: readonly PlacedMount[];
  readonly user: RunUser | undefined;
  readonly createdAt = new Date();
  lastRunAt: Date | undefined;
  readonly #shell: ShellSession;
  readonly #directory: string;
  readonly #background = new Map<
    RunId,
    { readonly run: IsolatedBackgroundRun; readonly generation: number }
  >();

  private constructor({ spec, mounts, shell, directory, user }: IsolatedSessionParts) {
    this.spec = spec;
    this.mounts = mounts;
    this.user = user;
    this.#shell = shell;
    this.#directory = directory;
  }

  /** @throws EngineError `unavailable` when the shell does not come up. */
  static async open(parts: IsolatedSessionParts): Promise<IsolatedSession> {
    await mkdir(parts.directory, { mode: 0o700 });
    if (parts.user) await chown(parts.directory, parts.user.uid, parts.user.gid);
    await parts.shell.open();
    return new IsolatedSession(parts);
  }

  get id(): string {
    return this.#shell.id;
  }

  /** Since when nothing was asked of it. */
  get idleSince(): Date {
    return this.lastRunAt ?? this.createdAt;
  }

  /** Runs code when its turn comes; what it changes, later code finds. */
  run({ code, env, timeoutMs }: IsolatedCommand): ShellRun {
    this.lastRunAt = new Date();
    const run = this.#shell.run({ text: withVariables(code, env), timeoutMs });
    void run.outcome.then(() => (this.lastRunAt = new Date()));
    return run;
  }

  /** Starts code that nobody waits for; the session's other commands do not wait for it either. */
  async start({ code, env }: IsolatedCommand): Promise<IsolatedBackgroundRun> {
    if (this.#background.size >= MOST_BACKGROUND_RUNS)
      throw new EngineError(
        "busy",
        `Cannot start more than ${MOST_BACKGROUND_RUNS} background runs in a session`,
      );
    const run = new IsolatedBackgroundRun(this.#directory);
    await using started = this.run({ code: run.command(withVariables(code, env)), env: {} });
    const { end } = await started.outcome;
    if (end.cause !== "exited")
      throw new EngineError("unavailable", `Cannot start in session ${this.id}: its shell was lost`);
    this.#background.set(run.id, { run, generation: this.#shell.replacements });
    return run;
  }

  /** A background run, and whether the shell that it ran in has been lost since. */
  background(id: string): { run: IsolatedBackgroundRun; isLost: boolean } | undefined {
    // What is no run's id is not in the map.
    const found = this.#background.get(id as RunId);
    return found && { run: found.run, isLost: found.generation !== this.#shell.replacements };
  }

  /** Whether something runs in it that was asked for. */
  async isBusy(): Promise<boolean> {
    if (this.#shell.current !== undefined) return true;
    for (const { run, generation } of this.#background.values())
      if ((await run.state(generation !== this.#shell.replacements)).isRunning) return true;
    return false;
  }

  close(): Promise<void> {
    return this.#shell[Symbol.asyncDispose]();
  }
}

/**
 * Variables that last as long as the code does: a shell function has them, and bash takes them back at its end. The
 * code is an argument, so nothing in it can end the function early.
 */
function withVariables(code: string, env: Environment): string {
  const entries = Object.entries(env);
  if (entries.length === 0) return code;
  for (const [name, value] of entries) {
    checkVariable(name, value);
    // The shell takes anything else for something to do.
    if (!/^[A-Za-z_]\w*$/.test(name))
      throw new EngineError(
        "invalid",
        `Cannot set ${JSON.stringify(name)} in a shell: not a name of its variables`,
      );
  }
  const variables = entries.map(([name, value]) => `${name}=${quote(value)}`).join(" ");
  return `_sanderling_run() { local -x ${variables}; eval "$1"; }\n_sanderling_run ${quote(code)}`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
