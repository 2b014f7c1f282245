import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { findLanguage, LANGUAGES, type Argv, type Language, type LanguageId } from "./code/languages.ts";
import { Scratch } from "./code/runtimes.ts";
import { findProgram, planScript, removeScript } from "./code/script.ts";
import { baseEnvironment, layerEnvironment, type Environment } from "./environment.ts";
import { EngineError } from "./error.ts";
import { reapOrphans } from "./process/adoption.ts";
import { openCgroupContainment } from "./process/cgroup.ts";
import type { Containment, ContainmentReport, RunLimits } from "./process/containment.ts";
import { openProcessGroupContainment, RUN_ID_VARIABLE } from "./process/process-group.ts";
import type { ProcessRun, ProcessRunSpec } from "./process/process-run.ts";
import { isLivingChild } from "./process/spawn.ts";
import type { RunId } from "./run.ts";
import { RunTable } from "./runs.ts";
import { findUser, type RunUser } from "./user.ts";
import { Workspace } from "./workspace.ts";

export interface EngineOptions {
  /** Directory in which runs work by default. */
  readonly workspace: string;
  /** Directory for what only the daemon may read, and for the product's own Python. */
  readonly dataDirectory: string;
  /** The daemon's environment without its settings. */
  readonly inheritedEnvironment: Environment;
  /** Interpreters to use instead of those in PATH. */
  readonly programs: Readonly<Partial<Record<LanguageId, string>>>;
  /** User to run code as; undefined: the daemon's own. */
  readonly runAs: string | undefined;
  readonly containment: "auto" | "process_group";
  readonly maxRuns: number;
  readonly killGraceMs: number;
  readonly journalMemoryBytes: number;
  readonly journalBytes: number;
  readonly onNotice: (notice: string, details?: Readonly<Record<string, unknown>>) => void;
}

/** What anything that runs may be given. */
export interface RunRequest {
  /** Absolute, or relative to the workspace. */
  readonly cwd?: string | undefined;
  readonly env?: Environment | undefined;
  readonly stdin?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly limits?: RunLimits | undefined;
}

export interface CommandRequest extends RunRequest {
  readonly argv: Argv;
}

export interface CodeRequest extends RunRequest {
  readonly language: Language;
  readonly code: string;
}

/** What a sandbox can do. It knows no HTTP and none of the public protocols. */
export class Engine implements AsyncDisposable {
  readonly workspace: Workspace;
  readonly runs: RunTable;
  /** How runs are kept together on this machine. */
  readonly containment: ContainmentReport;
  readonly startedAt = new Date();
  readonly #options: EngineOptions;
  readonly #environment: Environment;
  readonly #user: RunUser | undefined;
  readonly #scratch: Scratch;
  readonly #resources = new AsyncDisposableStack();

  /** @throws EngineError when the workspace or the data directory cannot be used. */
  constructor(options: EngineOptions) {
    this.#options = options;
    this.#user = options.runAs === undefined ? undefined : findUser(options.runAs);
    if (this.#user && process.getuid?.() !== 0) {
      throw new EngineError(
        "denied",
        `Cannot run code as ${this.#user.name}: only a daemon started as root can`,
      );
    }
    const ownPython = join(options.dataDirectory, "python", "bin");
    this.#environment = baseEnvironment(options.inheritedEnvironment, this.#user ?? ownUser(options), [
      ownPython,
    ]);
    this.workspace = Workspace.open({
      path: options.workspace,
      fallback: join(options.dataDirectory, "workspace"),
      owner: this.#user,
      onFallback: options.onNotice,
    });
    const journal = this.#journalOptions();
    this.#scratch = this.#resources.use(new Scratch());
    const containment = openContainment(options.containment);
    this.containment = containment.report;
    if (containment.report.kind === "process_group" || process.pid === 1)
      this.#resources.use(reapOrphans(isLivingChild));
    this.#resources.use(containment);
    this.runs = this.#resources.use(new RunTable({ ...options, containment, journal }));
  }

  /** The languages of this machine, with the program of each or undefined. */
  languages(): { language: Language; program: string | undefined }[] {
    const context = { programs: this.#options.programs, user: this.#user };
    return LANGUAGES.map((language) => ({
      language,
      program: findProgram(language, this.#environment, context),
    }));
  }

  /** @throws EngineError `invalid` for a bad directory or variable, `busy`, `unsupported`. */
  startCommand(request: CommandRequest): Promise<ProcessRun> {
    if (request.argv.some((argument) => argument.includes("\0")))
      return Promise.reject(new EngineError("invalid", "Cannot pass an argument with a NUL byte"));
    return this.runs.start((id) => Promise.resolve({ ...this.#place(id, request), argv: request.argv }));
  }

  /** Runs a program once, in a process of its own. @throws EngineError as `startCommand`. */
  async startCode(request: CodeRequest): Promise<ProcessRun> {
    const context = { scratch: this.#scratch, user: this.#user, programs: this.#options.programs };
    let written: RunId | undefined;
    try {
      const run = await this.runs.start(async (id) => {
        const place = this.#place(id, request);
        written = id;
        return { ...place, argv: await planScript(id, request.language, request.code, place, context) };
      });
      void run.outcome.then(() => this.#discard(run.id));
      return run;
    } catch (error) {
      if (written !== undefined) await this.#discard(written);
      throw error;
    }
  }

  /** Ends everything that runs, then removes what the engine made, in reverse order of making. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  /** A survivor may still write there; then the rest goes with the engine. */
  async #discard(id: RunId): Promise<void> {
    try {
      await removeScript(this.#scratch, id);
    } catch (cause) {
      this.#options.onNotice("cannot remove the files of a run", { id, cause: String(cause) });
    }
  }

  #place(id: RunId, request: RunRequest): Omit<ProcessRunSpec, "id" | "argv"> {
    const env = layerEnvironment(this.#environment, request.env);
    return {
      cwd: this.workspace.directory(request.cwd, this.#user),
      env: { ...env, [RUN_ID_VARIABLE]: id },
      stdin: request.stdin === undefined ? undefined : new TextEncoder().encode(request.stdin),
      user: this.#user,
      limits: request.limits ?? {},
      timeoutMs: request.timeoutMs,
    };
  }

  #journalOptions() {
    const { dataDirectory } = this.#options;
    const directory = join(dataDirectory, "private", "journals");
    try {
      // Open to all by itself: users that run code find the product's own Python there.
      mkdirSync(dataDirectory, { recursive: true, mode: 0o755 });
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new EngineError("unavailable", `Cannot use ${dataDirectory} for data: ${String(cause)}`, {
        cause,
      });
    }
    return {
      directory,
      memoryBytes: this.#options.journalMemoryBytes,
      retainBytes: this.#options.journalBytes,
      onFault: (cause: unknown) =>
        this.#options.onNotice("cannot write a journal file; its oldest output is dropped", {
          cause: String(cause),
        }),
    };
  }
}

/**
 * The language of a name or alias.
 * @throws EngineError `invalid` with the text of the published page when there is none.
 */
export function languageNamed(name: string): Language {
  const language = findLanguage(name);
  if (language) return language;
  const known = LANGUAGES.map(({ id }) => id);
  throw new EngineError("invalid", `Invalid language: ${name}`, { details: { supported: known } });
}

function openContainment(wanted: EngineOptions["containment"]): Containment {
  const cgroup = wanted === "auto" ? openCgroupContainment({ endStale: true }) : undefined;
  return cgroup ?? openProcessGroupContainment();
}

function ownUser({ inheritedEnvironment }: EngineOptions): RunUser {
  const user = findUser(String(process.getuid?.() ?? 0));
  return {
    ...user,
    home: inheritedEnvironment["HOME"] ?? user.home,
    shell: inheritedEnvironment["SHELL"] ?? user.shell,
  };
}
