import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TEST_ACCESS_TOKEN, TestDaemon } from "../../test/support/daemon.ts";
import { Floor } from "../floors/floor.ts";
import { NotHere } from "./scenario.ts";
import { countBelow, cpuOf, killTree } from "./usage.ts";

const OWN_PYTHON = join(import.meta.dir, "../../.sanderling/python/bin/python3");

/** The product's own, as `sanderling setup` makes it, which the daemons use as well; else the machine's. */
export const PYTHON = existsSync(OWN_PYTHON) ? OWN_PYTHON : "python3";

/** Nothing waits: every program gets an interpreter of its own, every context a kernel of its own. */
export const COLD = { SANDERLING_WARM_INTERPRETERS: "0", SANDERLING_KERNEL_POOL_SIZE: "0" } as const;

/** This checkout, with this Bun. */
const DAEMON = [process.execPath, join(import.meta.dir, "../../src/main.ts")];

/** Runs under way do not hold up the end of a daemon: between scenarios nobody waits for them. */
const QUIET = { SANDERLING_LOG_LEVEL: "warn", SANDERLING_SHUTDOWN_GRACE_MS: "0" } as const;

/** Nothing has happened when processor time, counted in steps of 10 ms, stands still for so many looks. */
const QUIET_LOOKS = 3;
const QUIET_PAUSE_MS = 25;
const QUIET_DEADLINE_MS = 30_000;

/** A server of the Execution API. */
export interface ExecdServer {
  readonly url: string;
  readonly token: string;
}

export interface DaemonOptions {
  /** What starts it; default: this checkout with this Bun. */
  readonly command?: readonly string[];
  /** False: its caller, in the same session, gets its share of busy processors as well. */
  readonly isInOwnSession?: boolean;
}

export interface StageOptions {
  readonly peer: ExecdServer | undefined;
}

/**
 * What one scenario uses: daemons, floors and programs of its own, so that none inherits another's memory or load.
 * Everything ends with the stage, also what is still starting.
 */
export class Stage implements AsyncDisposable {
  readonly peer: ExecdServer | undefined;
  readonly #started: Promise<AsyncDisposable>[] = [];
  readonly #children = new Set<Bun.Subprocess>();
  #directory: Promise<string> | undefined;
  #isOver = false;

  constructor({ peer }: StageOptions) {
    this.peer = peer;
  }

  /** A daemon of its own, in a session of its own as services are started. `env`: settings over the defaults. */
  daemon(
    env: Readonly<Record<string, string>> = {},
    { command = DAEMON, isInOwnSession = true }: DaemonOptions = {},
  ): Promise<TestDaemon> {
    this.#expectOpen();
    const withPython = PYTHON === OWN_PYTHON;
    return this.use(TestDaemon.start({ env: { ...QUIET, ...env }, withPython, command, isInOwnSession }));
  }

  floor(): Promise<Floor> {
    this.#expectOpen();
    return this.use(Floor.start());
  }

  /** A directory of its own. */
  directory(): Promise<string> {
    return (this.#directory ??= mkdtemp(join(tmpdir(), "sanderling-bench-")));
  }

  /**
   * Waits until a process and what it started have done nothing for a while, and are as many as before: what it
   * makes ahead is there, as when an agent thinks between two calls.
   */
  async untilQuiet(pid: number): Promise<void> {
    const deadline = performance.now() + QUIET_DEADLINE_MS;
    for (let [seen, still] = [look(pid), 0]; still < QUIET_LOOKS;) {
      if (performance.now() > deadline)
        throw new Error(`process ${pid} was not quiet within ${QUIET_DEADLINE_MS} ms`);
      await Bun.sleep(QUIET_PAUSE_MS);
      const now = look(pid);
      still = now === seen ? still + 1 : 0;
      seen = now;
    }
  }

  /** Ended with the stage, last started first. */
  use<T extends AsyncDisposable>(starting: Promise<T>): Promise<T> {
    this.#started.push(starting);
    return starting;
  }

  /**
   * Runs a program to its end and gives what it printed. In this session: on a busy machine the kernel lets a new one
   * wait (sched(7), autogroup), which would flatter us.
   */
  async run(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    this.#expectOpen();
    const child = Bun.spawn([...argv], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      env: { ...process.env, ...env },
    });
    this.#children.add(child);
    const [text, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    this.#children.delete(child);
    if (code !== 0) throw new Error(`${argv.join(" ")} ended with code ${code}`);
    return text;
  }

  sh(script: string, ...args: readonly string[]): Promise<string> {
    return this.run(["sh", "-ec", script, "sh", ...args]);
  }

  /** What a scenario goes on to do after it was stopped starts nothing any more. */
  #expectOpen(): void {
    if (this.#isOver) throw new Error("the scenario is over");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    for (const child of this.#children) killTree(child.pid);
    for (const started of (await Promise.allSettled(this.#started)).reverse())
      if (started.status === "fulfilled") await started.value[Symbol.asyncDispose]();
    if (this.#directory) await rm(await this.#directory, { recursive: true, force: true });
  }
}

/** @throws NotHere unless the programs are there. */
export function need(...programs: readonly string[]): void {
  for (const program of programs)
    if (Bun.which(program) === null) throw new NotHere(`${program} is not installed`);
}

/** @throws NotHere without the product's own Python. */
export function needOwnPython(): void {
  if (PYTHON !== OWN_PYTHON) throw new NotHere("the product's own Python is not set up (make setup)");
}

export function execdOf(daemon: TestDaemon): ExecdServer {
  return { url: daemon.execdUrl, token: TEST_ACCESS_TOKEN };
}

/** Changes when the process or what it started does something, starts or ends. */
function look(pid: number): string {
  return `${countBelow(pid)} ${cpuOf(pid).treeMs}`;
}
