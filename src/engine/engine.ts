import { join } from "node:path";
import { Activity } from "./activity.ts";
import { RunCache } from "./code/cache.ts";
import { cacheKey } from "./code/cache-key.ts";
import { findLanguage, LANGUAGES, type Language } from "./code/languages.ts";
import { findInPath } from "./code/programs.ts";
import { Scratch } from "./code/runtimes.ts";
import { ProgramRuns } from "./code/program-runs.ts";
import { findProgram } from "./code/script.ts";
import { WarmInterpreters } from "./code/warm/interpreters.ts";
import { BackgroundProcesses } from "./background/registry.ts";
import { baseEnvironment, layerEnvironment, type Environment } from "./environment.ts";
import { Desktop } from "./desktop/desktop.ts";
import { ENVIRONMENT_FILE_VARIABLE, EnvironmentFile } from "./environment-file.ts";
import { EngineError } from "./error.ts";
import { Operations } from "./executions/operations.ts";
import { Executions } from "./executions/registry.ts";
import { rulesAs, rulesWithin } from "./files/other-rules.ts";
import { PathRules, type PathRulesOptions } from "./files/paths.ts";
import { StagedNames } from "./files/staged-names.ts";
import { Idempotency } from "./idempotency.ts";
import type { KernelContexts } from "./kernels/contexts.ts";
import type { KernelRun } from "./kernels/kernel-run.ts";
import { openContexts } from "./kernels/open-contexts.ts";
import { IsolatedSessions } from "./isolation/sessions.ts";
import type { PlacedMount } from "./isolation/spec.ts";
import { adoptOrphans } from "./process/adoption.ts";
import type { Containment, ContainmentReport } from "./process/containment.ts";
import { openJournals } from "./process/journal-directory.ts";
import { openContainment } from "./process/open-containment.ts";
import type { ProcessRun } from "./process/process-run.ts";
import { stopRun } from "./process/stop-run.ts";
import type { RichEvent, RunId, SignalName } from "./run.ts";
import { RunPlaces } from "./run-places.ts";
import { RunTable } from "./runs.ts";
import type { ShellRun } from "./shell/shell-run.ts";
import { ShellSessions } from "./shell/sessions.ts";
import { Database } from "./sql/database.ts";
import { Store } from "./store.ts";
import { SystemMetrics } from "./system/metrics.ts";
import { stopSystemProcess } from "./system/stop-process.ts";
import { Terminals } from "./terminal/terminals.ts";
import { Timeline } from "./timeline/timeline.ts";
import { findUser, ownUser, type RunUser } from "./user.ts";
import { SandboxVariables } from "./variables.ts";
import { ATTEMPT_TIMEOUT_MS, WebhookQueue } from "./webhooks/queue.ts";
import { Workspace } from "./workspace.ts";
import type { CodeRequest, CommandRequest, EngineOptions, RunRequest } from "./options.ts";

export { languageNamed } from "./code/languages.ts";
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
  readonly #places: RunPlaces;
  readonly #programs: ProgramRuns;

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
    const journal = openJournals(options);
    this.environmentFile = EnvironmentFile.open(
      options.environmentFile,
      join(options.dataDirectory, "environment", "variables"),
      this.#user,
      options.onNotice,
    );
    const base = {
      ...baseEnvironment(options.inheritedEnvironment, this.#user ?? ownUser(options.inheritedEnvironment), [
        ownPython,
      ]),
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
    this.#places = new RunPlaces({
      user: this.#user,
      workspace: this.workspace,
      environment: () => this.environment,
      display: () => this.#displayEnvironment(),
    });
    const containment = openContainment(options.containment);
    this.containment = containment.report;
    this.#resources.use(adoptOrphans());
    this.#resources.use(containment);
    // Made before the runs, so that it is taken down after they have been ended.
    this.background = this.#resources.use(new BackgroundProcesses(options));
    this.executions = this.#resources.use(new Executions(options));
    this.runs = this.#resources.use(new RunTable({ ...options, containment, journal }));
    this.warm = this.#resources.use(this.#openWarm(containment));
    this.#programs = new ProgramRuns(options, {
      user: this.#user,
      runs: this.runs,
      scratch: this.#scratch,
      warm: this.warm,
      places: this.#places,
      activity: this.activity,
    });
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
    const place = (id: RunId, request: RunRequest) => this.#places.of(id, request);
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
    return rulesAs(this.#rules, this.paths, { uid, gid });
  }

  /**
   * The rules for files inside these mounts, used with the rights of whoever the session's programs are.
   * @throws EngineError `denied` when there are none.
   */
  pathsWithin(mounts: readonly PlacedMount[], user: RunUser | undefined): PathRules {
    return rulesWithin(this.#rules, mounts, user);
  }

  /** @throws EngineError `invalid` for a bad directory or variable, `busy`, `unsupported`. */
  startCommand(request: CommandRequest): Promise<ProcessRun> {
    if (request.argv.some((argument) => argument.includes("\0")))
      return Promise.reject(new EngineError("invalid", "Cannot pass an argument with a NUL byte"));
    const { argv, kind = "command" } = request;
    const inputBytes = request.inputBytes ?? argv.join(" ").length;
    return this.runs
      .start((id) => Promise.resolve({ ...this.#places.of(id, request), argv }))
      .then((run) => this.activity.add(run, { kind, inputBytes }));
  }

  /** Runs a program once, in a process of its own. @throws EngineError as `startCommand`. */
  startCode(request: CodeRequest): Promise<ProcessRun> {
    return this.#programs.start(request);
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
  shownBy(run: ProcessRun): Promise<readonly RichEvent[]> {
    return this.#programs.shownBy(run);
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
        this.runs.startService((id) =>
          Promise.resolve({ ...this.#places.of(id, { env: spec.env }), ...spec }),
        ),
    });
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
      place: (id, request) => this.#places.of(id, request),
    });
  }

  /** Programs find the display of the session, unless the sandbox's user has named another. */
  #displayEnvironment(): Environment {
    const own = new Set(this.variables.custom);
    const names = Object.entries(this.desktop.environment ?? {});
    return Object.fromEntries(names.filter(([name]) => !own.has(name)));
  }
}
