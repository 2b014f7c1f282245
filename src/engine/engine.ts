import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Activity } from "./activity.ts";
import { RunCache } from "./code/cache.ts";
import { cacheKey } from "./code/cache-key.ts";
import { findLanguage, LANGUAGES, type Language } from "./code/languages.ts";
import { findInPath } from "./code/programs.ts";
import { Scratch } from "./code/runtimes.ts";
import { findProgram, planScript, removeScript } from "./code/script.ts";
import { readShown } from "./code/shown.ts";
import { WarmInterpreters } from "./code/warm/interpreters.ts";
import { BackgroundProcesses } from "./background/registry.ts";
import { baseEnvironment, layerEnvironment, type Environment } from "./environment.ts";
import { Desktop } from "./desktop/desktop.ts";
import { ENVIRONMENT_FILE_VARIABLE, EnvironmentFile } from "./environment-file.ts";
import { EngineError } from "./error.ts";
import { Operations } from "./executions/operations.ts";
import { Executions } from "./executions/registry.ts";
import { PathRules, type PathRulesOptions } from "./files/paths.ts";
import { StagedNames } from "./files/staged-names.ts";
import { Idempotency } from "./idempotency.ts";
import type { KernelContexts } from "./kernels/contexts.ts";
import type { KernelRun } from "./kernels/kernel-run.ts";
import { openContexts } from "./kernels/open-contexts.ts";
import { IsolatedSessions } from "./isolation/sessions.ts";
import type { PlacedMount } from "./isolation/spec.ts";
import { adoptOrphans } from "./process/adoption.ts";
import { openCgroupContainment } from "./process/cgroup.ts";
import type { Containment, ContainmentReport } from "./process/containment.ts";
import { openProcessGroupContainment, RUN_ID_VARIABLE } from "./process/process-group.ts";
import type { ProcessRun, ProcessRunSpec } from "./process/process-run.ts";
import { stopRun } from "./process/stop-run.ts";
import type { RichEvent, RunId, SignalName } from "./run.ts";
import { RunTable } from "./runs.ts";
import type { ShellRun } from "./shell/shell-run.ts";
import { ShellSessions } from "./shell/sessions.ts";
import { Database } from "./sql/database.ts";
import { Store } from "./store.ts";
import { SystemMetrics } from "./system/metrics.ts";
import { stopSystemProcess } from "./system/stop-process.ts";
import { identityEnvironment, userOf } from "./identity.ts";
import { Terminals } from "./terminal/terminals.ts";
import { Timeline } from "./timeline/timeline.ts";
import { traceVariables } from "./trace-variables.ts";
import { findUser, type RunUser } from "./user.ts";
import { SandboxVariables } from "./variables.ts";
import { ATTEMPT_TIMEOUT_MS, WebhookQueue } from "./webhooks/queue.ts";
import { Workspace } from "./workspace.ts";
import type { CodeRequest, CommandRequest, EngineOptions, RunRequest } from "./options.ts";

export type { CodeRequest, CommandRequest, EngineOptions, RunRequest } from "./options.ts";

/** What a sandbox can do. It knows no HTTP and none of the public protocols. */
export class Engine implements AsyncDisposable {
  readonly workspace: Workspace;
  /** Which files clients may name; what works on files takes these. */
  readonly paths: PathRules;
  readonly runs: RunTable;
  /** Every run as it starts and ends, for whoever observes. */
  readonly activity = new Activity();
  /** The record of what was done. */
  readonly timeline: Timeline;
  /** Results of runs that may be told again. */
  readonly cache: RunCache;
  /** The environment of every later run, and its changes. */
  readonly variables: SandboxVariables;
  /** Variables that runs themselves set for later runs, over the former. */
  readonly environmentFile: EnvironmentFile;
  /** Where SQL is run. */
  readonly database: Database;
  /** Shells that last, and the commands in them. */
  readonly shells: ShellSessions;
  /** Runs that can be asked about and told again by name. */
  readonly executions: Executions;
  /** The display and what is done on it; started when it is first needed. */
  readonly desktop: Desktop;
  /** Languages with state: kernels, and the runs in them. */
  readonly contexts: KernelContexts;
  /** The runs that nobody waits for. */
  readonly background: BackgroundProcesses;
  /** Sessions on terminals, which outlive their connections. */
  readonly terminals: Terminals;
  /** Delivers the results of runs whose client does not wait. */
  readonly webhooks: WebhookQueue;
  /** What was answered to requests that may be sent again. */
  readonly idempotency: Idempotency;
  /** Interpreters that wait for their program. */
  readonly warm: WarmInterpreters;
  /** Shells in namespaces of their own. */
  readonly isolated: IsolatedSessions;
  /** What the sandbox has and uses. */
  readonly metrics: SystemMetrics;
  /** Creations that their callers have named beforehand. */
  readonly operations: Operations;
  /** How runs are kept together on this machine. */
  readonly containment: ContainmentReport;
  readonly startedAt = new Date();
  readonly #options: EngineOptions;
  readonly #user: RunUser | undefined;
  readonly #scratch: Scratch;
  readonly #rules: PathRulesOptions;
  readonly #resources = new AsyncDisposableStack();
  /** What programs showed, for as long as somebody holds their run. */
  readonly #shown = new WeakMap<ProcessRun, Promise<readonly RichEvent[]>>();

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
    // First of all, because it makes the data directory with the mode that it must have.
    const journal = this.#journalOptions();
    this.environmentFile = openEnvironmentFile(options, this.#user);
    const base = {
      ...baseEnvironment(options.inheritedEnvironment, this.#user ?? ownUser(options), [ownPython]),
      [ENVIRONMENT_FILE_VARIABLE]: this.environmentFile.path,
    };
    this.workspace = Workspace.open({
      path: options.workspace,
      fallback: join(options.dataDirectory, "workspace"),
      owner: this.#user,
      onFallback: options.onNotice,
    });
    const privateDirectory = join(options.dataDirectory, "private");
    const stagedNames = this.#resources.use(new StagedNames(join(privateDirectory, "staged")));
    const rules = { ...options, workspace: this.workspace, privateDirectory, stagedNames, user: this.#user };
    this.paths = new PathRules(rules);
    this.#rules = rules;
    const path = join(privateDirectory, "variables.json");
    this.cache = new RunCache(options);
    this.variables = new SandboxVariables({ base, path, onNotice: options.onNotice });
    const store = this.#resources.use(Store.open(join(privateDirectory, "store.sqlite"), options.onNotice));
    this.metrics = this.#resources.use(new SystemMetrics({ diskPath: this.workspace.path }));
    this.timeline = this.#resources.use(
      new Timeline({
        path: join(privateDirectory, "timeline.sqlite"),
        retention: { count: options.timelineKeepCount, ageMs: options.timelineKeepMs },
        onNotice: options.onNotice,
      }),
    );
    this.timeline.watch(this.activity);
    this.idempotency = this.#resources.use(new Idempotency(store, options.onNotice));
    this.operations = new Operations(this.idempotency);
    this.webhooks = this.#resources.use(
      new WebhookQueue(store, {
        targets: options.webhookTargets,
        retryBaseMs: options.webhookRetryBaseMs,
        attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
        onNotice: options.onNotice,
      }),
    );
    this.#scratch = this.#resources.use(new Scratch());
    const containment = openContainment(options.containment);
    this.containment = containment.report;
    this.#resources.use(adoptOrphans());
    this.#resources.use(containment);
    // Made before the runs, so that it is taken down after they have been ended.
    this.background = this.#resources.use(new BackgroundProcesses(options));
    this.executions = this.#resources.use(new Executions(options));
    this.runs = this.#resources.use(new RunTable({ ...options, containment, journal }));
    this.warm = this.#resources.use(this.#openWarm(containment));
    this.contexts = this.#resources.use(
      openContexts(options, {
        containment,
        runs: this.runs,
        scratch: this.#scratch.path,
        user: this.#user,
        journal,
        prefix: join(options.dataDirectory, "python"),
        programs: options.programs,
        environment: () => this.environment,
        directory: (cwd) => this.workspace.directory(cwd, this.#user),
        onRun: (run) => this.#observeKernelRun(run),
        onNotice: options.onNotice,
      }),
    );
    this.database = this.#resources.use(
      new Database({
        sqlUrl: options.sqlUrl,
        journal,
        onRun: (run) => this.activity.add(run, { kind: "sql", language: "sql" }),
      }),
    );
    this.isolated = this.#resources.use(
      new IsolatedSessions({
        ...options,
        runs: this.runs,
        paths: this.paths,
        scratch: this.#scratch.path,
        directory: join(options.dataDirectory, "isolated"),
        toolPath: options.inheritedEnvironment["PATH"],
        user: this.#user,
        journal,
        findBash: () => this.findProgram("bash"),
        environment: () => this.environment,
        onRun: (run) => this.#observeShellRun(run, "isolated"),
      }),
    );
    this.shells = this.#resources.use(
      new ShellSessions({
        ...options,
        runs: this.runs,
        directory: this.#scratch.path,
        user: this.#user,
        journal,
        findBash: () => this.findProgram("bash"),
        environment: () => this.environment,
        onRun: (run) => this.#observeShellRun(run, "session"),
      }),
    );
    this.desktop = this.#resources.use(this.#openDesktop());
    const place = this.#place.bind(this);
    const onRun = (run: ProcessRun) => this.activity.add(run, { kind: "terminal" });
    this.terminals = this.#resources.use(new Terminals(options, { runs: this.runs, journal, place, onRun }));
    const swept = this.#sweep(stagedNames);
    this.#resources.defer(() => swept);
  }

  /** What a run started now gets: the sandbox's variables, and over them those of the environment file. */
  get environment(): Environment {
    const { environment } = this.variables;
    return { ...environment, ...this.environmentFile.read(environment) };
  }

  /** The languages of this machine, with the program of each or undefined. */
  languages(): { language: Language; program: string | undefined }[] {
    const context = { programs: this.#options.programs, user: this.#user };
    return LANGUAGES.map((language) => ({
      language,
      program: findProgram(language, this.variables.environment, context),
    }));
  }

  /** Where a program is that runs may start; undefined when it is not in their PATH. */
  findProgram(name: string): string | undefined {
    return findInPath([name], this.variables.environment["PATH"] ?? "", this.#user);
  }

  /**
   * The rules for files that are used with the rights of another user of the machine, whom the kernel judges.
   * @throws EngineError `denied` when the daemon may not act as that user.
   */
  pathsAs(uid: number, gid: number): PathRules {
    const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    const given = this.#user ?? own;
    const isGiven = given.uid === uid && given.gid === gid;
    // Where code is bound to one user, files must not be a way around that.
    if (!isGiven && (this.#user !== undefined || own.uid !== 0))
      throw new EngineError("denied", `Cannot use files as ${uid}:${gid}: only as ${given.uid}:${given.gid}`);
    if (isGiven) return this.paths;
    const { allowedRoots } = this.#rules;
    const bounds = allowedRoots.length > 0 ? allowedRoots : ["/"];
    return new PathRules({ ...this.#rules, allowedRoots: bounds, user: findUser(`${uid}:${gid}`) });
  }

  /**
   * The rules for files inside these mounts, used with the rights of whoever the session's programs are.
   * @throws EngineError `denied` when there are none.
   */
  pathsWithin(mounts: readonly PlacedMount[], user: RunUser | undefined): PathRules {
    if (mounts.length === 0)
      throw new EngineError("denied", "Cannot change anything: it is mounted read-only");
    const allowedRoots = mounts.map(({ host }) => host);
    return new PathRules({ ...this.#rules, allowedRoots, user: user ?? this.#rules.user });
  }

  /** @throws EngineError `invalid` for a bad directory or variable, `busy`, `unsupported`. */
  startCommand(request: CommandRequest): Promise<ProcessRun> {
    if (request.argv.some((argument) => argument.includes("\0")))
      return Promise.reject(new EngineError("invalid", "Cannot pass an argument with a NUL byte"));
    const { argv, kind = "command" } = request;
    const inputBytes = request.inputBytes ?? argv.join(" ").length;
    return this.runs
      .start((id) => Promise.resolve({ ...this.#place(id, request), argv }))
      .then((run) => this.activity.add(run, { kind, inputBytes }));
  }

  /** Runs a program once, in a process of its own. @throws EngineError as `startCommand`. */
  async startCode(request: CodeRequest): Promise<ProcessRun> {
    const context = { scratch: this.#scratch, user: this.#user, programs: this.#options.programs };
    let written: RunId | undefined;
    try {
      const run = await this.runs.start(async (id) => {
        const place = this.#place(id, request);
        written = id;
        const argv = await planScript(id, request.language, request.code, place, context);
        const program = {
          language: request.language.id,
          code: request.code,
          hasInput: place.stdin !== undefined,
        };
        const prepared = await this.warm.take({ ...place, ...program, argv });
        return { ...place, argv, prepared };
      });
      this.#shown.set(run, this.#takeShown(run));
      const { kind = "code", language, code } = request;
      return this.activity.add(run, { kind, language: language.id, inputBytes: Buffer.byteLength(code) });
    } catch (error) {
      if (written !== undefined) await this.#discard(written);
      throw error;
    }
  }

  /**
   * Stops the run whose first process has this pid, or else that process alone, with SIGTERM and then SIGKILL
   * or with a signal of the caller's choice.
   * @returns Whether it has ended; undefined when there is no such process.
   * @throws EngineError `denied` for processes of others, the daemon's own and process 1.
   */
  stopProcess(pid: number, signal: SignalName | undefined): Promise<boolean | undefined> {
    const run = this.runs.withPid(pid);
    if (run) return stopRun(run, signal);
    return stopSystemProcess(pid, {
      signal,
      graceMs: this.#options.killGraceMs,
      uid: this.#user?.uid ?? process.getuid?.() ?? 0,
      isRun: (id) => this.runs.has(id),
    });
  }

  /**
   * What the result of this request is kept under; undefined when its language is not on this machine.
   * @throws EngineError `invalid` as `startCode`.
   */
  cacheKey({ language, code, stdin, limits, ...request }: CodeRequest): string | undefined {
    const env = layerEnvironment(this.environment, request.env);
    const cwd = this.workspace.directory(request.cwd, this.#user);
    const program = findProgram(language, env, { user: this.#user, programs: this.#options.programs });
    return program && cacheKey({ language: language.id, code, cwd, env, limits, stdin, program });
  }

  /**
   * Takes on nothing more. Runs whose end somebody is told, on a connection or by a webhook, have `graceMs` to
   * end by themselves; the others are asked to end at once, as a service manager asks a service.
   */
  async drain(graceMs: number, hurry: AbortSignal): Promise<void> {
    const parts = [this.runs, this.contexts, this.shells];
    const drained = parts.map((part) => part.drain(graceMs, hurry));
    this.background.endUnattended();
    this.executions.endUnattended();
    await Promise.all(drained);
  }

  /** Ends everything that runs, then removes what the engine made, in reverse order of making. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  /** Removes what daemons that were killed left behind, when this one is up. */
  async #sweep(stagedNames: StagedNames): Promise<void> {
    const { onNotice } = this.#options;
    await new Promise((resume) => setImmediate(resume));
    try {
      await stagedNames.sweep(this.paths.calls, onNotice);
      await this.#scratch.sweep();
    } catch (cause) {
      onNotice("cannot remove what a killed daemon left", { cause: String(cause) });
    }
  }

  /**
   * What the program of a run showed beside what it printed, such as figures; once its run has ended. Asked after
   * that run was let go there is nothing.
   */
  async shownBy(run: ProcessRun): Promise<readonly RichEvent[]> {
    return (await this.#shown.get(run)) ?? [];
  }

  /** Reads it before the files of the run are removed. */
  async #takeShown(run: ProcessRun): Promise<readonly RichEvent[]> {
    await run.outcome;
    const owner = this.#user?.uid ?? process.getuid?.() ?? 0;
    const shown = readShown(join(this.#scratch.path, run.id), owner, this.#options.maxDisplayBytes);
    void this.#discard(run.id);
    return shown;
  }

  /** A survivor may still write there; then the rest goes with the engine. */
  async #discard(id: RunId): Promise<void> {
    try {
      await removeScript(this.#scratch, id);
    } catch (cause) {
      this.#options.onNotice("cannot remove the files of a run", { id, cause: String(cause) });
    }
  }

  #openWarm(containment: Containment): WarmInterpreters {
    return new WarmInterpreters({
      size: this.#options.warmInterpreters,
      spareBytes: this.#options.kernelPoolSpareBytes,
      containment,
      user: this.#user,
      runtime: (name) => this.#scratch.runtime(name),
      place: (id) => {
        const program = this.languages().find(({ language }) => language.id === id)?.program;
        return program === undefined ? undefined : { program, env: this.environment };
      },
      startService: (spec) =>
        this.runs.startService((id) => Promise.resolve({ ...this.#place(id, { env: spec.env }), ...spec })),
    });
  }

  #place(id: RunId, request: RunRequest): Omit<ProcessRunSpec, "id" | "argv"> {
    const user = request.identity ? userOf(request.identity, this.#user) : this.#user;
    const own = user === this.#user || user === undefined ? {} : identityEnvironment(user);
    const env = layerEnvironment(
      this.environment,
      this.#displayEnvironment(),
      own,
      traceVariables(id),
      request.env,
    );
    return {
      cwd: this.workspace.directory(request.cwd, user),
      env: { ...env, [RUN_ID_VARIABLE]: id },
      stdin: stdinOf(request),
      user,
      limits: request.limits ?? {},
      timeoutMs: request.timeoutMs,
    };
  }

  #observeKernelRun(run: KernelRun): void {
    const { context, request } = run;
    // A client may name any kernel of the machine; figures are counted by those that are known.
    const language = findLanguage(context.language)?.id ?? "other";
    this.activity.add(run, { kind: "context", language, inputBytes: Buffer.byteLength(request.code) });
  }

  #observeShellRun(run: ShellRun, kind: "session" | "isolated"): void {
    this.activity.add(run, { kind, language: "bash", inputBytes: Buffer.byteLength(run.command.text) });
  }

  #openDesktop(): Desktop {
    const { onNotice, desktopSize } = this.#options;
    return new Desktop({
      onNotice,
      runs: this.runs,
      user: this.#user,
      scratch: this.#scratch.path,
      workspace: this.workspace.path,
      size: desktopSize,
      findProgram: (name) => this.findProgram(name),
      place: (id, request) => this.#place(id, request),
    });
  }

  /** Programs find the display of the session, unless the sandbox's user has named another. */
  #displayEnvironment(): Environment {
    const own = new Set(this.variables.custom);
    const names = Object.entries(this.desktop.environment ?? {});
    return Object.fromEntries(names.filter(([name]) => !own.has(name)));
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

function openEnvironmentFile(options: EngineOptions, user: RunUser | undefined): EnvironmentFile {
  const { environmentFile: path, dataDirectory, onNotice } = options;
  if (path !== undefined) return new EnvironmentFile(path, user, onNotice);
  return EnvironmentFile.inOwnDirectory(join(dataDirectory, "environment", "variables"), user, onNotice);
}

function stdinOf({ stdin, keepStdinOpen }: RunRequest): ProcessRunSpec["stdin"] {
  const bytes = stdin === undefined ? undefined : new TextEncoder().encode(stdin);
  return keepStdinOpen === true ? { open: bytes ?? new Uint8Array(0) } : bytes;
}

function ownUser({ inheritedEnvironment }: EngineOptions): RunUser {
  const user = findUser(String(process.getuid?.() ?? 0));
  return {
    ...user,
    home: inheritedEnvironment["HOME"] ?? user.home,
    shell: inheritedEnvironment["SHELL"] ?? user.shell,
  };
}
