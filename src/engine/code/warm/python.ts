import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Environment } from "../../environment.ts";
import type { Containment, RunLimits } from "../../process/containment.ts";
import { fitsJob, ForkServer, type ForkedChild } from "../../process/fork-server.ts";
import type { PreparedChild, ProcessRun, ProcessRunSpec } from "../../process/process-run.ts";
import type { Argv } from "../languages.ts";
import type { RuntimeFile } from "../runtimes.ts";
import { canStartAhead, startsAlike } from "./invisible.ts";
import { preloadsOf } from "./python-imports.ts";

export interface WarmPythonOptions {
  /** Interpreters that wait, of each kind; 0: every run starts its own. */
  readonly size: number;
  readonly containment: Containment;
  runtime(name: RuntimeFile): string;
  /** The interpreter that a run with the sandbox's variables gets, and those variables. */
  place(): { readonly program: string; readonly env: Environment } | undefined;
  /** Starts a process that lives on. */
  start(prepare: () => Pick<ProcessRunSpec, "argv" | "env" | "descriptors">): Promise<ProcessRun>;
}

/** Servers with packages are ended when no program has asked for so long. */
const IDLE_MS = 10 * 60_000;
/** Of the machine's memory; with less available nothing is kept waiting. */
const LEAST_AVAILABLE = 0.08;

/**
 * Python interpreters that wait for their program, of two kinds: bare ones, and ones that have loaded the
 * packages that this sandbox's programs import. A program that an interpreter of neither kind would treat as
 * one of its own gets none and starts cold.
 */
export class WarmPython implements AsyncDisposable {
  readonly #options: WarmPythonOptions;
  readonly #bare: WarmPool;
  readonly #loaded: WarmPool;
  readonly #wanted = new Set<string>();

  constructor(options: WarmPythonOptions) {
    this.#options = options;
    this.#bare = new WarmPool(options, () => []);
    this.#loaded = new WarmPool(options, () => [...this.#wanted]);
  }

  /** Begins to make bare interpreters ready, for the first run to come. */
  start(): void {
    if (this.#options.size > 0) this.#bare.fill();
  }

  /**
   * An interpreter for this program; undefined when it must start one of its own.
   * @param argv How it would be started: interpreter, `main.py`, file, shown name.
   */
  take(
    code: string,
    [program, , file = "", shown = ""]: Argv,
    { cwd, env, limits }: Pick<ProcessRunSpec, "cwd" | "env" | "limits">,
  ): PreparedChild | undefined {
    if (this.#options.size === 0 || !this.#enforces(limits)) return undefined;
    const preloads = preloadsOf(code);
    const isNew = preloads.some((name) => !this.#wanted.has(name));
    for (const name of preloads) this.#wanted.add(name);
    if (isNew) this.#loaded.renew();
    const pool = preloads.length > 0 ? this.#loaded : this.#bare;
    return pool.take(program, env, (start) => [
      file,
      shown,
      cwd,
      String(limits.openFiles ?? ""),
      program,
      ...changes(start, env),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#bare[Symbol.asyncDispose](), this.#loaded[Symbol.asyncDispose]()]);
  }

  /** A cgroup made ahead has no processor limit, and memory shared with others is not a run's own. */
  #enforces({ cpus, memoryBytes, processes }: RunLimits): boolean {
    const { enforces } = this.#options.containment.report;
    if (cpus !== undefined || (memoryBytes !== undefined && !enforces.memory)) return false;
    return processes === undefined || enforces.processes;
  }
}

/** A fork server and the interpreters that wait. It is started at the first demand, and anew when it is stale. */
class WarmPool implements AsyncDisposable {
  readonly #options: WarmPythonOptions;
  readonly #modules: () => readonly string[];
  #server: StartedServer | undefined;
  #waiting: ForkedChild[] = [];
  #filling: Promise<void> | undefined;
  #idle: Timer | undefined;
  #isClosed = false;

  constructor(options: WarmPythonOptions, modules: () => readonly string[]) {
    this.#options = options;
    this.#modules = modules;
  }

  /** @param describe Gives the job's fields, told what the interpreter was started with. */
  take(
    program: string,
    env: Environment,
    describe: (start: Environment) => readonly string[],
  ): PreparedChild | undefined {
    const server = this.#server;
    if (server && !server.isFresh()) this.renew();
    if (server?.program !== program || !startsAlike(server.env, env)) {
      // The next program may be of the usual kind again; this one says nothing about it.
      if (server === undefined) this.fill();
      return undefined;
    }
    const fields = describe(server.env);
    return fitsJob(fields) ? this.#next()?.prepare({ fields }) : undefined;
  }

  #next(): ForkedChild | undefined {
    const child = this.#waiting.findLast(({ isWaiting }) => isWaiting);
    this.#waiting = this.#waiting.filter((other) => other !== child && other.isWaiting);
    this.fill();
    return child;
  }

  /** Ends the server and what waits, because it has not loaded what it should; the next fill starts another. */
  renew(): void {
    const server = this.#server;
    this.#server = undefined;
    this.#waiting.splice(0).forEach((child) => child.discard());
    if (server) void server.fork[Symbol.asyncDispose]();
  }

  /** Makes interpreters in the background until enough wait. */
  fill(): void {
    if (this.#isClosed) return;
    this.#filling ??= this.#fill()
      .catch(() => undefined)
      .finally(() => (this.#filling = undefined));
    clearTimeout(this.#idle);
    if (this.#modules().length > 0) this.#idle = setTimeout(() => this.renew(), IDLE_MS).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#idle);
    await this.#filling;
    this.#waiting.splice(0).forEach((child) => child.discard());
    await this.#server?.fork[Symbol.asyncDispose]();
  }

  async #fill(): Promise<void> {
    if (!(await hasRoom())) {
      this.renew();
      return;
    }
    if (this.#server?.fork.hasEnded === true) this.renew();
    const server = (this.#server ??= await this.#start());
    while (
      server &&
      this.#server === server &&
      this.#waiting.length < this.#options.size &&
      !this.#isClosed
    ) {
      const child = await server.fork.fork();
      if (child === undefined) return;
      if (this.#server === server) this.#waiting.push(child);
      else child.discard();
    }
  }

  async #start(): Promise<StartedServer | undefined> {
    const place = this.#options.place();
    if (place === undefined || !canStartAhead(place.env)) return undefined;
    const options = this.#options;
    const argv: Argv = [
      place.program,
      options.runtime("python/forkserver.py"),
      options.runtime("python/main.py"),
      ...this.#modules(),
    ];
    const fork = await ForkServer.start(options.containment, (descriptors) =>
      options.start(() => ({ argv, env: place.env, descriptors })),
    );
    return fork && new StartedServer(fork, place.program, place.env);
  }
}

/** A fork server with what it depends on: the interpreter, its environment, and the packages as they were. */
class StartedServer {
  readonly #places: readonly string[];
  readonly #state: string;

  constructor(
    readonly fork: ForkServer,
    readonly program: string,
    readonly env: Environment,
  ) {
    this.#places = [program, ...Buffer.from(fork.facts, "hex").toString().split(":")];
    this.#state = stateOf(this.#places);
  }

  /** Whether no package was added, removed or replaced since it loaded its own. */
  isFresh(): boolean {
    return stateOf(this.#places) === this.#state;
  }
}

/** How many variables are removed, their names, and those that are set. */
function changes(start: Environment, env: Environment): string[] {
  const removed = Object.keys(start).filter((name) => env[name] === undefined);
  const set = Object.entries(env).filter(([name, value]) => start[name] !== value);
  return [String(removed.length), ...removed, ...set.map(([name, value]) => `${name}=${value}`)];
}

function stateOf(paths: readonly string[]): string {
  return paths.map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0).join();
}

async function hasRoom(): Promise<boolean> {
  const text = await readFile("/proc/meminfo", "utf8").catch(() => "");
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? NaN);
  const share = kib("MemAvailable") / kib("MemTotal");
  return Number.isNaN(share) || share >= LEAST_AVAILABLE;
}
