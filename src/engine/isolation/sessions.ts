import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Environment } from "../environment.ts";
import { EngineError } from "../error.ts";
import { isInside, type PathRules } from "../files/paths.ts";
import type { JournalOptions } from "../process/journal.ts";
import { RUN_ID_VARIABLE } from "../process/process-group.ts";
import type { RunTable } from "../runs.ts";
import { ShellFiles } from "../shell/shell-files.ts";
import type { ShellRun } from "../shell/shell-run.ts";
import { ShellSession } from "../shell/session.ts";
import { findUser, type RunUser } from "../user.ts";
import { isolationArgv } from "./command-line.ts";
import { ConfinedProcess } from "./confined-process.ts";
import { discardOverlay, mountedBelow, mountOverlay } from "./overlay.ts";
import { probeIsolation } from "./probe.ts";
import { IsolatedSession } from "./session.ts";
import { Tools } from "./tools.ts";
import type { IsolationReport, IsolationSpec, PlacedMount } from "./spec.ts";

export interface IsolatedSessionsOptions {
  readonly maxSessions: number;
  readonly killGraceMs: number;
  readonly runs: RunTable;
  readonly paths: PathRules;
  /** Of the user that code runs as, if the daemon has one. */
  readonly user: RunUser | undefined;
  /** A directory that only the daemon may write, and others may pass through, for files of shells. */
  readonly scratch: string;
  /** For what was changed in overlays; made where it is missing. */
  readonly directory: string;
  readonly journal: JournalOptions;
  /** Where the daemon's own tools are looked for; undefined: in the usual places. */
  readonly toolPath: string | undefined;
  readonly findBash: () => string | undefined;
  readonly environment: () => Environment;
  /** Told of every command that a session has taken on. */
  readonly onRun: (run: ShellRun) => void;
  readonly onNotice: (notice: string, details?: Readonly<Record<string, unknown>>) => void;
}

/** Always passed on: without them programs are not found. */
const NEEDED_VARIABLES = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM"];

/** The shells in namespaces of their own, each until it is closed or nobody has used it for too long. */
export class IsolatedSessions implements AsyncDisposable {
  readonly #options: IsolatedSessionsOptions;
  readonly #tools: Tools;
  readonly #sessions = new Map<string, IsolatedSession>();
  readonly #timers = new Map<string, Timer>();
  #report: Promise<IsolationReport> | undefined;
  #opening = 0;

  constructor(options: IsolatedSessionsOptions) {
    this.#options = options;
    this.#tools = new Tools(options.runs, options.toolPath);
  }

  /** What works here; found out once, when somebody first asks. */
  capabilities(): Promise<IsolationReport> {
    const { directory } = this.#options;
    this.#report ??= this.#discardLeftOvers().then(() =>
      probeIsolation(this.#tools, join(directory, "probe")),
    );
    return this.#report;
  }

  /**
   * @throws EngineError `unavailable` where there is no isolation, `unsupported` where it cannot be as asked for,
   * `invalid` and `denied` for paths, `busy` for too many sessions.
   */
  async create(spec: IsolationSpec): Promise<IsolatedSession> {
    const { maxSessions } = this.#options;
    await this.#requirePossible(spec);
    if (this.#sessions.size + this.#opening >= maxSessions)
      throw new EngineError(
        "busy",
        `Cannot open another session: ${maxSessions} are open, which is the limit`,
      );
    this.#opening++;
    try {
      const session = await this.#open(await this.#checked(spec));
      this.#sessions.set(session.id, session);
      this.#watchIdle(session);
      return session;
    } finally {
      this.#opening--;
    }
  }

  get(id: string): IsolatedSession | undefined {
    return this.#sessions.get(id);
  }

  /** Oldest first. */
  list(): IsolatedSession[] {
    return [...this.#sessions.values()];
  }

  /** Ends a session with everything in it and drops what its overlays hold; false when there is none of that id. */
  async close(id: string): Promise<boolean> {
    const session = this.#sessions.get(id);
    if (session === undefined) return false;
    this.#sessions.delete(id);
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    await session.close();
    await this.#discard(id, session.mounts);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#sessions.keys()].map((id) => this.close(id)));
  }

  async #requirePossible({ uid, gid, uidMode, mounts }: IsolationSpec): Promise<void> {
    const report = await this.capabilities();
    if (!report.available)
      throw new EngineError("unavailable", `isolation unavailable: ${report.message ?? ""}`);
    const { user } = this.#options;
    if (user && (uidMode === "userns" || (uid !== undefined && uid !== user.uid)))
      throw new EngineError("denied", `Cannot open a session as another user than ${user.name}`);
    const refuse = (what: string) => {
      throw new EngineError("unsupported", `Cannot ${what} on this machine`);
    };
    if (gid !== undefined && uid === undefined)
      throw new EngineError("invalid", "Cannot use a gid without a uid");
    if (uidMode === "userns" && !report.userns) refuse("use user namespaces");
    if (uidMode === "setpriv" && (uid ?? user) !== undefined && !report.setpriv) refuse("switch users");
    if (mounts.some(({ mode }) => mode === "overlay") && !report.overlay) refuse("mount overlays");
  }

  /** Every path that comes from outside, checked and in its absolute form. */
  async #checked(spec: IsolationSpec): Promise<IsolationSpec> {
    const { paths, user } = this.#options;
    const check = async (path: string) => {
      await using entry = await paths.open(path, 0, "isolate");
      if (isInside(paths.privateDirectory, entry.realPath))
        throw new EngineError("denied", `Cannot isolate ${path}: the daemon's own data is in it`);
      return entry.realPath;
    };
    const mounts = await Promise.all(
      spec.mounts.map(async (mount) => {
        await using entry = await paths.openDirectory(mount.path, "isolate");
        return { ...mount, path: await check(entry.path) };
      }),
    );
    return {
      ...spec,
      mounts,
      extraWritable: await Promise.all(spec.extraWritable.map(check)),
      binds: await Promise.all(
        spec.binds.map(async (bind) => ({ ...bind, source: await check(bind.source) })),
      ),
      uid: spec.uid ?? user?.uid,
      gid: spec.gid ?? (spec.uid === undefined ? user?.gid : undefined),
    };
  }

  async #open(spec: IsolationSpec): Promise<IsolatedSession> {
    const { scratch, journal, killGraceMs, findBash } = this.#options;
    const program = findBash();
    if (program === undefined)
      throw new EngineError("unsupported", "Cannot open a session: there is no bash on this machine");
    const id = crypto.randomUUID();
    const user = userOf(spec);
    const mounts: PlacedMount[] = [];
    const shellDirectory = join(scratch, `isolated-${id}`);
    const files = new ShellFiles(shellDirectory, user);
    try {
      for (const mount of spec.mounts) mounts.push(await this.#place(id, mount, mounts.length, user));
      const around = { mounts, shellDirectory, ...this.#surroundings() };
      const shell = new ShellSession({
        id,
        program,
        journal,
        killGraceMs,
        files,
        start: async (process) => {
          const argv = [...isolationArgv(spec, around), ...process.argv] as const;
          const run = await this.#start({ ...process, argv }, spec);
          return new ConfinedProcess(run);
        },
        onIdle: () => undefined,
        onRun: this.#options.onRun,
      });
      return await IsolatedSession.open({
        spec,
        mounts,
        shell,
        user,
        directory: join(shellDirectory, "background"),
      }).catch(async (error: unknown) => {
        const reason = await this.#explain(error, isolationArgv(spec, around));
        await shell[Symbol.asyncDispose]();
        throw reason;
      });
    } catch (error) {
      await rm(shellDirectory, { recursive: true, force: true });
      await this.#discard(id, mounts);
      throw error;
    }
  }

  /** Between commands a shell's streams lead nowhere, so what bubblewrap says is heard by starting it once more. */
  async #explain(error: unknown, argv: readonly [string, ...string[]]): Promise<unknown> {
    const [program, ...args] = argv;
    const tried = await this.#tools.run(program, ...args, "true");
    return tried.ok
      ? error
      : new EngineError("invalid", `Cannot open a session: ${tried.text}`, { cause: error });
  }

  #surroundings() {
    const { privateDirectory } = this.#options.paths;
    const find = (name: string) => this.#tools.find(name);
    return { privateDirectory, find, isRoot: process.getuid?.() === 0 };
  }

  #start(
    process: Parameters<ConstructorParameters<typeof ShellSession>[0]["start"]>[0],
    spec: IsolationSpec,
  ) {
    const { runs, environment } = this.#options;
    const user = userOf(spec);
    const own = user && { HOME: user.home, USER: user.name, LOGNAME: user.name };
    const env = { ...passedOn(environment(), spec), ...own };
    return runs.startService((id) =>
      Promise.resolve({ ...process, cwd: "/", env: { ...env, [RUN_ID_VARIABLE]: id }, limits: {} }),
    );
  }

  async #place(
    id: string,
    mount: IsolationSpec["mounts"][number],
    index: number,
    user: RunUser | undefined,
  ): Promise<PlacedMount> {
    if (mount.mode !== "overlay") return { ...mount, host: mount.path };
    const { directory } = this.#options;
    await mkdir(directory, { recursive: true, mode: 0o711 });
    const host = await mountOverlay(mount.path, join(directory, id, String(index)), user);
    return { ...mount, host };
  }

  async #discard(id: string, mounts: readonly PlacedMount[]): Promise<void> {
    const { directory } = this.#options;
    const place = join(directory, id);
    for (const [index, { mode }] of mounts.entries())
      if (mode === "overlay") await discardOverlay(join(place, String(index)));
    await rm(place, { recursive: true, force: true });
  }

  /** A daemon that was killed leaves its overlays mounted. */
  async #discardLeftOvers(): Promise<void> {
    const { directory } = this.#options;
    const held = new Set([...this.#sessions.keys()].map((id) => join(directory, id)));
    for (const point of mountedBelow(directory)) {
      if ([...held].some((place) => isInside(point, place))) continue;
      await discardOverlay(point.replace(/\/merged$/, ""));
    }
  }

  #watchIdle(session: IsolatedSession): void {
    const { idleMs } = session.spec;
    if (idleMs === 0 || !this.#sessions.has(session.id)) return;
    const leftMs = session.idleSince.getTime() + idleMs - Date.now();
    const look = () => {
      this.#closeIfIdle(session).catch((cause: unknown) =>
        this.#options.onNotice("cannot close an idle session", { id: session.id, cause: String(cause) }),
      );
    };
    const timer = setTimeout(look, Math.max(leftMs, 1)).unref();
    this.#timers.set(session.id, timer);
  }

  /** What runs in it keeps it: then its time begins anew. */
  async #closeIfIdle(session: IsolatedSession): Promise<void> {
    if (await session.isBusy()) session.lastRunAt = new Date();
    if (session.idleSince.getTime() + session.spec.idleMs > Date.now()) this.#watchIdle(session);
    else await this.close(session.id);
  }
}

function userOf({ uid, gid, uidMode }: IsolationSpec): RunUser | undefined {
  if (uid === undefined || uidMode === "userns") return undefined;
  return findUser(`${uid}:${gid ?? uid}`);
}

function passedOn(environment: Environment, { environment: { mode, keys } }: IsolationSpec): Environment {
  const named = new Set(keys);
  const isPassed = (name: string) =>
    mode === "deny" ? !named.has(name) : named.has(name) || NEEDED_VARIABLES.includes(name);
  return Object.fromEntries(Object.entries(environment).filter(([name]) => isPassed(name)));
}
