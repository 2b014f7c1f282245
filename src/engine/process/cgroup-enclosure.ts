import { existsSync, watch, writeFileSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { RunUsage } from "../run.ts";
import type { Place } from "./cgroup.ts";
import { members, readField, readNumber, tryWrite } from "./cgroup-files.ts";
import type { Enclosure, LeaderUsage, RunLimits } from "./containment.ts";
import { signalProcess } from "./libc.ts";
import type { Child } from "./spawn.ts";

/** One run's directory in each hierarchy; the first is the one its first process is started in. */
export type Slot = readonly (Place & { readonly directory: string })[];

const CPU_PERIOD_MICROSECONDS = 100_000;
/** A kill takes effect when each process next runs in the kernel; on a loaded machine that is not at once. */
const KILL_DEADLINE_MS = 10_000;

export class CgroupEnclosure implements Enclosure {
  readonly #slot: Slot;
  readonly #limits: RunLimits;
  /** The directory whose list of members counts. */
  readonly #main: string;
  readonly #onReleased: () => void;
  #leader: LeaderUsage | undefined;

  constructor(slot: Slot, limits: RunLimits, onReleased: () => void) {
    this.#slot = slot;
    this.#limits = limits;
    this.#onReleased = onReleased;
    this.#main = slot[0]?.directory ?? "";
  }

  /**
   * A child is born into a version 2 cgroup by clone3, but into those of version 1 only by inheritance. So the
   * spawning thread goes there itself for the moment of the spawn. A thread that moves itself does not wait
   * for the kernel's grace periods as one that moves another process does (0.1 ms against 14 ms, measured;
   * DESIGN.md, "Cgroups of version 1"). Limits are set when it has left, so that they cannot hit the daemon.
   */
  launch(start: (cgroup: string | undefined) => Child): Child {
    const inherited = this.#slot.filter(({ version }) => version === 1);
    for (const place of this.#slot) if (place.version === 2) applyLimits(place, this.#limits);
    let child: Child;
    try {
      for (const { directory } of inherited) writeFileSync(join(directory, "tasks"), "0");
      child = start(this.#slot.find(({ version }) => version === 2)?.directory);
    } finally {
      for (const { own } of inherited) writeFileSync(join(own, "tasks"), "0");
    }
    for (const place of inherited) applyLimits(place, this.#limits);
    return child;
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
    const events = join(this.#main, "cgroup.events");
    if (!existsSync(events)) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = () => {
      if (readField(events, "populated") !== 1) resolve();
    };
    const watcher = watch(events, check);
    signal.addEventListener("abort", () => resolve(), { once: true });
    check();
    return promise.finally(() => watcher.close());
  }

  async kill(): Promise<void> {
    const deadline = AbortSignal.timeout(KILL_DEADLINE_MS);
    killMembers(this.#main);
    await this.emptied(deadline);
    // Version 1 tells nobody when a cgroup is empty, so there the sweep itself is repeated.
    while (members(this.#main).length > 0 && !deadline.aborted) {
      killMembers(this.#main);
      await new Promise((resume) => setImmediate(resume));
    }
  }

  usage(): RunUsage {
    return {
      peakMemoryBytes:
        this.#first("memory.peak", "memory.max_usage_in_bytes") ?? this.#leader?.maxRssBytes ?? null,
      cpuSeconds: this.#cpuSeconds() ?? this.#leader?.cpuSeconds ?? null,
      peakProcesses: this.#first("pids.peak"),
      oomKills: this.#oomKills(),
    };
  }

  release(): void {
    void this.#remove();
  }

  async #remove(): Promise<void> {
    try {
      await Promise.all(this.#slot.map(({ directory }) => rmdir(directory)));
    } catch {
      // Something of the run lives on, as the user meant it to: wait for its end.
      const idle = new AbortController();
      await this.emptied(idle.signal);
      await Promise.allSettled(this.#slot.map(({ directory }) => rmdir(directory)));
    }
    if (this.#slot.every(({ directory }) => !existsSync(directory))) this.#onReleased();
  }

  #first(...names: readonly string[]): number | null {
    for (const name of names) {
      for (const { directory } of this.#slot) {
        const value = readNumber(join(directory, name));
        if (value !== null) return value;
      }
    }
    return null;
  }

  #cpuSeconds(): number | null {
    const microseconds = readField(join(this.#main, "cpu.stat"), "usage_usec");
    return microseconds === null ? null : microseconds / 1e6;
  }

  #oomKills(): number {
    const memory = this.#slot.find(({ controllers }) => controllers.has("memory"));
    if (memory === undefined) return 0;
    const file = memory.version === 2 ? "memory.events" : "memory.oom_control";
    return readField(join(memory.directory, file), "oom_kill") ?? 0;
  }
}

/** SIGKILL to every member of a cgroup: one write where the kernel offers it (Linux 5.14, version 2). */
export function killMembers(directory: string): void {
  if (tryWrite(join(directory, "cgroup.kill"), "1")) return;
  for (const pid of members(directory)) {
    signalProcess(pid, "SIGKILL", () => members(directory).includes(pid));
  }
}

/** @throws when the kernel refuses: a limit that is not in force must not look as if it were. */
function applyLimits({ version, controllers, directory }: Slot[number], limits: RunLimits): void {
  const write = (file: string, value: number | string) => writeFileSync(join(directory, file), String(value));
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
