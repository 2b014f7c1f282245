import { closeSync, existsSync, openSync, watch, writeFileSync, writeSync, type FSWatcher } from "node:fs";
import { rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../error.ts";
import type { RunId, RunUsage } from "../run.ts";
import type { Place } from "./cgroup.ts";
import { members, readField, readNumber, tryWrite } from "./cgroup-files.ts";
import type { Enclosure, LeaderUsage, RunLimits, Start } from "./containment.ts";
import { createPipe, signalProcess } from "./libc.ts";
import { MemoryPeak } from "./memory-peak.ts";
import type { Child } from "./spawn.ts";

/** One run's directory in each hierarchy; the first is the one its first process is started in. */
export type Slot = readonly (Place & { readonly directory: string })[];

const CPU_PERIOD_MICROSECONDS = 100_000;
/** A kill takes effect when each process next runs in the kernel; on a loaded machine that is not at once. */
const KILL_DEADLINE_MS = 10_000;
const LONGEST_PAUSE_MS = 20;
/**
 * The runtime's watcher now and then misses the one change that is waited for. So it is looked again, each time after
 * twice as long: what has been waited for is noticed before it has taken twice its time.
 */
const LOOK_AGAIN_MS = 20;
const LONGEST_LOOK_AGAIN_MS = 60_000;

export class CgroupEnclosure implements Enclosure {
  readonly #slot: Slot;
  readonly #limits: RunLimits;
  /** The directory whose list of members counts. */
  readonly #main: string;
  readonly #onRelease: () => void;
  readonly #events: string;
  readonly #memory: MemoryPeak | undefined;
  /** Whoever waits in `emptied`. They share one watcher: of two on one file, closing one may silence the other. */
  readonly #waiting = new Set<() => void>();
  #watcher: FSWatcher | undefined;
  #again: Timer | undefined;
  #leader: LeaderUsage | undefined;

  constructor(slot: Slot, limits: RunLimits, onRelease: () => void) {
    this.#slot = slot;
    this.#limits = limits;
    this.#onRelease = onRelease;
    this.#main = slot[0]?.directory ?? "";
    this.#events = join(this.#main, "cgroup.events");
    const memory = this.#place("memory");
    this.#memory = memory && new MemoryPeak(memory.version, memory.directory);
  }

  /**
   * A child is born into a version 2 cgroup by clone3, but into those of version 1 only by inheritance. So the
   * spawning thread goes there itself for the moment of the spawn. A thread that moves itself does not wait
   * for the kernel's grace periods as one that moves another process does (0.1 ms against 14 ms, measured;
   * DESIGN.md, "Cgroups of version 1"). Limits are set when it has left, so that they cannot hit the daemon,
   * and the child waits at a gate until then, so that it cannot run ahead of them.
   */
  launch(start: Start): Child {
    const inherited = this.#slot.filter(({ version }) => version === 1);
    const { memoryBytes, processes, cpus } = this.#limits;
    const isLimited = [memoryBytes, processes, cpus].some((limit) => limit !== undefined);
    const gate = isLimited && inherited.length > 0 ? createPipe() : undefined;
    try {
      for (const place of this.#slot) if (place.version === 2) applyLimits(place, this.#limits);
      const child = this.#startInside(inherited, start, gate?.readFd);
      for (const place of inherited) applyLimits(place, this.#limits);
      return child;
    } catch (error) {
      killMembers(this.#main);
      throw error;
    } finally {
      if (gate) for (const fd of [gate.readFd, gate.writeFd]) closeSync(fd);
    }
  }

  #startInside(inherited: Slot, start: Start, gate: number | undefined): Child {
    try {
      for (const { directory } of inherited) enter(directory);
      return start({ cgroup: this.#slot.find(({ version }) => version === 2)?.directory, gate });
    } finally {
      for (const { home } of inherited) if (home !== undefined) writeSync(home, "0");
    }
  }

  /** The kernel judges a write by who opened the file, so that a process without rights can come in. */
  entrances(): number[] {
    return this.#slot.map(({ version, directory }) =>
      openSync(join(directory, version === 1 ? "tasks" : "cgroup.procs"), "r+"),
    );
  }

  async bring(pid: number): Promise<void> {
    const files = this.#slot.map(({ directory }) => join(directory, "cgroup.procs"));
    await Promise.all(files.map((file) => writeFile(file, String(pid))));
  }

  entered(): void {
    // The kernel's list of members says so.
  }

  assign(_: RunId, limits: RunLimits): void {
    for (const place of this.#slot) applyLimits(place, limits);
  }

  leaderReaped(usage: LeaderUsage): void {
    this.#leader = usage;
  }

  signal(signal: NodeJS.Signals): void {
    for (const pid of members(this.#main)) {
      signalProcess(pid, signal, () => members(this.#main).includes(pid));
    }
  }

  emptied(signal: AbortSignal): Promise<void> {
    const { promise, resolve }: PromiseWithResolvers<void> = Promise.withResolvers();
    this.#waiting.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    try {
      this.#watcher ??= watch(this.#events, () => this.#look());
      if (this.#again === undefined) this.#lookAgain(LOOK_AGAIN_MS);
      this.#look();
    } catch {
      // Version 1 has no such file, and an empty cgroup may have been removed by now.
      resolve();
    }
    return promise.finally(() => {
      this.#waiting.delete(resolve);
      if (this.#waiting.size > 0) return;
      this.#watcher?.close();
      this.#watcher = undefined;
      clearTimeout(this.#again);
      this.#again = undefined;
    });
  }

  #lookAgain(pauseMs: number): void {
    this.#again = setTimeout(() => {
      this.#lookAgain(Math.min(2 * pauseMs, LONGEST_LOOK_AGAIN_MS));
      this.#look();
    }, pauseMs).unref();
  }

  #look(): void {
    if (readField(this.#events, "populated") !== 1) for (const resolve of this.#waiting) resolve();
  }

  /** Looks by itself: version 1 tells nobody that a cgroup is empty, and a watcher may miss a change. */
  async kill(): Promise<void> {
    const deadline = performance.now() + KILL_DEADLINE_MS;
    for (let pauseMs = 0; members(this.#main).length > 0 && performance.now() < deadline; pauseMs++) {
      killMembers(this.#main);
      await new Promise((resume) => setTimeout(resume, Math.min(pauseMs, LONGEST_PAUSE_MS)));
    }
  }

  usage(): RunUsage {
    return {
      peakMemoryBytes: this.#memory?.total ?? this.#leader?.maxRssBytes ?? null,
      cpuSeconds: this.#cpuSeconds() ?? this.#leader?.cpuSeconds ?? null,
      peakProcesses: this.#peakProcesses(),
      oomKills: this.#oomKills(),
    };
  }

  restartPeakMemory(): void {
    this.#memory?.restart();
  }

  recentPeakMemory(): number | null {
    return this.#memory?.recent ?? null;
  }

  release(): void {
    this.#memory?.close();
    this.#onRelease();
  }

  /** Removes the directories as soon as nothing of the run is left; false when they cannot be removed. */
  async remove(): Promise<boolean> {
    try {
      await Promise.all(this.#slot.map(({ directory }) => rmdir(directory)));
    } catch {
      // Something of the run lives on, as the user meant it to: wait for its end.
      const idle = new AbortController();
      await this.emptied(idle.signal);
      await Promise.allSettled(this.#slot.map(({ directory }) => rmdir(directory)));
    }
    return this.#slot.every(({ directory }) => !existsSync(directory));
  }

  #place(controller: string): Slot[number] | undefined {
    return this.#slot.find(({ controllers }) => controllers.has(controller));
  }

  /** In version 1 the spawning thread was in there too, so that a true 1 is told as 2. */
  #peakProcesses(): number | null {
    const pids = this.#place("pids");
    return pids === undefined ? null : readNumber(join(pids.directory, "pids.peak"));
  }

  #cpuSeconds(): number | null {
    const microseconds = readField(join(this.#main, "cpu.stat"), "usage_usec");
    return microseconds === null ? null : microseconds / 1e6;
  }

  #oomKills(): number {
    const memory = this.#place("memory");
    if (memory === undefined) return 0;
    const file = memory.version === 2 ? "memory.events" : "memory.oom_control";
    return readField(join(memory.directory, file), "oom_kill") ?? 0;
  }
}

/** Moves this thread: "0" is the one that writes (cgroups(7)). */
function enter(directory: string): void {
  const file = openSync(join(directory, "tasks"), "r+");
  try {
    writeSync(file, "0");
  } finally {
    closeSync(file);
  }
}

/** SIGKILL to every member of a cgroup: one write where the kernel offers it (Linux 5.14, version 2). */
export function killMembers(directory: string): void {
  if (tryWrite(join(directory, "cgroup.kill"), "1")) return;
  for (const pid of members(directory)) {
    signalProcess(pid, "SIGKILL", () => members(directory).includes(pid));
  }
}

/** @throws EngineError when the kernel refuses: a limit not in force must not look as if it were. */
function applyLimits({ version, controllers, directory }: Slot[number], limits: RunLimits): void {
  const write = (file: string, value: number | string) => {
    try {
      writeFileSync(join(directory, file), String(value));
    } catch (cause) {
      throw new EngineError(
        "invalid",
        `Cannot limit the run: the kernel does not take ${value} as ${file} (${errorCode(cause)})`,
        { cause },
      );
    }
  };
  if (limits.memoryBytes !== undefined && controllers.has("memory")) {
    if (version === 2) {
      write("memory.max", limits.memoryBytes);
      // Swap accounting may be compiled out; then there is no swap to limit through it.
      tryWrite(join(directory, "memory.swap.max"), "0");
      // One process killed and the rest left behind would look like a bug of the user's program.
      write("memory.oom.group", 1);
    } else {
      write("memory.limit_in_bytes", limits.memoryBytes);
      tryWrite(join(directory, "memory.memsw.limit_in_bytes"), String(limits.memoryBytes));
    }
  }
  if (limits.processes !== undefined && controllers.has("pids")) write("pids.max", limits.processes);
  if (limits.cpus !== undefined && controllers.has("cpu")) {
    const quota = Math.max(1000, Math.round(limits.cpus * CPU_PERIOD_MICROSECONDS));
    if (version === 2) write("cpu.max", `${quota} ${CPU_PERIOD_MICROSECONDS}`);
    else {
      write("cpu.cfs_period_us", CPU_PERIOD_MICROSECONDS);
      write("cpu.cfs_quota_us", quota);
    }
  }
}

function errorCode(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
}
