import type { RunId, RunUsage } from "../run.ts";
import { EngineError } from "../error.ts";
import type {
  Containment,
  ContainmentReport,
  Enclosure,
  LeaderUsage,
  RunLimits,
  Start,
} from "./containment.ts";
import { signalProcess } from "./libc.ts";
import type { Child } from "./spawn.ts";
import { isSame, listProcesses, readStat, startEnvironment, type ProcessStat } from "./proc.ts";
import { ProcessMemoryPeak } from "./process-memory-peak.ts";

/** The variable by which a process is recognised as a run's, however it detached itself. */
export const RUN_ID_VARIABLE = "SANDERLING_RUN_ID";
/** How many enclosures may gather before it is looked which of them are empty. */
const FORGET_AT = 32;
const KILL_DEADLINE_MS = 10_000;
/** Looks again for processes of which one look does not tell whose they are. */
const MOST_UNSURE_LOOKS = 4;
/** Longer than a process takes to become another program. */
const UNSURE_PAUSE_MS = 5;

/**
 * Keeps runs together where no cgroup may be written: the daemon adopts orphans, so that whatever a run left
 * behind stays below the daemon, and recognises a run's processes by descent, session, process group or the
 * run's id in the environment they were started with. A process that starts with a clean environment in a
 * new session after its parent has died escapes this; in a cgroup it would not.
 */
export function openProcessGroupContainment(): Containment {
  const report: ContainmentReport = {
    kind: "process_group",
    detail: "process groups, orphans adopted by the daemon",
    enforces: { memory: false, cpus: false, processes: false },
  };
  const open = new Set<GroupEnclosure>();
  return {
    report,
    open(id, limits) {
      refuseUnenforceable(limits);
      const enclosure = new GroupEnclosure(id, () => {
        if (open.size >= FORGET_AT) forgetEmpty(open);
      });
      open.add(enclosure);
      return enclosure;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...open].map((enclosure) => enclosure.kill()));
    },
  };
}

/**
 * Enclosures whose background processes outlived their run are kept for the shutdown, but not for ever. One look at
 * the machine's processes serves many: a look after each run would double what a short run costs.
 */
function forgetEmpty(open: Set<GroupEnclosure>): void {
  const living = new Living();
  for (const enclosure of open) if (enclosure.isReleased && enclosure.isEmpty(living)) open.delete(enclosure);
}

/** The processes alive at one moment, each with the environment it was started with. */
class Living {
  readonly all = listProcesses().filter(({ state }) => state !== "Z" && state !== "X");
  readonly #environments = new Map<number, readonly string[]>();
  #isSure = true;

  /** Whether every environment asked for was there: that of a process inside execve(2) is not, for a moment. */
  get isSure(): boolean {
    return this.#isSure;
  }

  environment({ pid, parent }: ProcessStat): readonly string[] {
    const known = this.#environments.get(pid) ?? startEnvironment(pid);
    this.#environments.set(pid, known);
    // The kernel's own threads have none ever.
    if (known.length === 1 && known[0] === "" && pid !== KTHREADD && parent !== KTHREADD)
      this.#isSure = false;
    return known;
  }
}

/** Parent of the kernel's threads, where they can be seen. */
const KTHREADD = 2;

function refuseUnenforceable(limits: RunLimits): void {
  for (const name of ["memoryBytes", "cpus", "processes"] as const) {
    if (limits[name] === undefined) continue;
    throw new EngineError(
      "unsupported",
      `Cannot enforce the limit ${name}: this machine offers no writable cgroup (see: sanderling doctor)`,
    );
  }
}

function markerOf(id: RunId): string {
  return `${RUN_ID_VARIABLE}=${id}`;
}

class GroupEnclosure implements Enclosure {
  #marker: string;
  readonly #onRelease: () => void;
  #leader: ProcessStat | undefined;
  #usage: LeaderUsage | undefined;
  #memory: ProcessMemoryPeak | undefined;
  #released = false;

  constructor(id: RunId, onRelease: () => void) {
    this.#marker = markerOf(id);
    this.#onRelease = onRelease;
  }

  get isReleased(): boolean {
    return this.#released;
  }

  launch(start: Start): Child {
    const child = start({});
    this.#leader = readStat(child.pid);
    return child;
  }

  /** A process that begins a session of its own needs no other way in. */
  entrances(): number[] {
    return [];
  }

  bring(): Promise<void> {
    return Promise.resolve();
  }

  entered(pid: number): void {
    this.#leader = readStat(pid);
  }

  assign(id: RunId, limits: RunLimits): void {
    this.#marker = markerOf(id);
    refuseUnenforceable(limits);
  }

  leaderReaped(usage: LeaderUsage): void {
    this.#usage = usage;
  }

  signal(signal: NodeJS.Signals): void {
    for (const member of this.#members()) signalProcess(member.pid, signal, () => isSame(member));
  }

  /** Nothing tells when a process group is empty, so nobody waits for it. */
  emptied(): Promise<void> {
    return Promise.resolve();
  }

  async kill(): Promise<void> {
    const deadline = performance.now() + KILL_DEADLINE_MS;
    for (let unsure = 0; performance.now() < deadline;) {
      const living = new Living();
      const alive = this.#members(living);
      if (alive.length === 0 && (living.isSure || ++unsure === MOST_UNSURE_LOOKS)) return;
      for (const member of alive) signalProcess(member.pid, "SIGKILL", () => isSame(member));
      await (alive.length > 0 ? new Promise((resume) => setImmediate(resume)) : Bun.sleep(UNSURE_PAUSE_MS));
    }
  }

  usage(): RunUsage {
    return {
      peakMemoryBytes: this.#usage?.maxRssBytes ?? null,
      cpuSeconds: this.#usage?.cpuSeconds ?? null,
      peakProcesses: null,
      oomKills: 0,
    };
  }

  restartPeakMemory(): void {
    if (this.#leader) this.#memory ??= new ProcessMemoryPeak(this.#leader);
    this.#memory?.restart();
  }

  recentPeakMemory(): number | null {
    return this.#memory?.recent ?? null;
  }

  isEmpty(living: Living): boolean {
    return this.#members(living).length === 0;
  }

  release(): void {
    this.#released = true;
    this.#onRelease();
  }

  #members(living = new Living()): ProcessStat[] {
    const leader = this.#leader;
    if (leader === undefined) return [];
    const { all } = living;
    // A pid given to another process since says nothing about who is in the group or session of that number.
    const reused = all.some(({ pid, startTime }) => pid === leader.pid && startTime !== leader.startTime);
    const mine = new Set<number>();
    const belongs = (process: ProcessStat) =>
      (!reused && [process.pid, process.session, process.group].includes(leader.pid)) ||
      mine.has(process.parent) ||
      living.environment(process).includes(this.#marker);
    // Descent is found one generation a round.
    for (let before = -1; before !== mine.size;) {
      before = mine.size;
      for (const process of all) if (!mine.has(process.pid) && belongs(process)) mine.add(process.pid);
    }
    return all.filter(({ pid }) => mine.has(pid));
  }
}
