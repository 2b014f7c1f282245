import { statfs } from "node:fs/promises";
import { loadavg } from "node:os";
import { findHierarchies, readText, type Hierarchy } from "../process/cgroup-files.ts";
import { findMemoryBound, findProcessBound, type Bound } from "./bounds.ts";
import { CLOCK_TICKS, uptimeSeconds } from "./clock.ts";
import { CpuMeter } from "./cpu-meter.ts";
import { countProcesses } from "./count-processes.ts";
import { readNetwork, type NetworkTotals } from "./network.ts";
import { readStatLine } from "./stat-line.ts";

/** How much there is of something, and how much of it is in use; in bytes. */
export interface Amount {
  readonly total: number;
  readonly used: number;
  /** What may still be taken, which can be less than the rest. */
  readonly free: number;
}

/** What the sandbox has and uses at one moment. */
export interface SystemSnapshot {
  readonly at: Date;
  /** Percent of all `cores`, 0 to 100. */
  readonly cpu: { readonly usagePercent: number; readonly cores: number };
  /** Average number of processes that ran or wanted to, over 1, 5 and 15 minutes. */
  readonly load: readonly number[];
  readonly memory: Amount;
  /** Of the file system of the workspace. */
  readonly disk: Amount;
  readonly network: NetworkTotals;
  /** Seconds since the sandbox's first process began. */
  readonly uptimeSeconds: number;
  /** Of the whole kernel; it does not tell them apart. */
  readonly openFiles: number;
  readonly processes: {
    readonly total: number;
    readonly running: number;
    readonly limit: number | undefined;
  };
}

export interface SystemMetricsOptions {
  /** A path on the file system that is told about. */
  readonly diskPath: string;
  /** Where the daemon stands among the machine's cgroups; default: as the kernel says. */
  readonly hierarchies?: readonly Hierarchy[];
}

/**
 * The figures of the sandbox. Where a cgroup bounds it, as in a container, that bound is what there is, and what
 * is in that cgroup is what is used; a cgroup without a limit shares the machine, so the machine's figures count.
 */
export class SystemMetrics implements Disposable {
  readonly #options: SystemMetricsOptions;
  readonly #memory: Bound | undefined;
  readonly #processes: Bound | undefined;
  readonly cpu: CpuMeter;

  constructor(options: SystemMetricsOptions) {
    const hierarchies = options.hierarchies ?? findHierarchies();
    this.#options = options;
    this.#memory = findMemoryBound(hierarchies);
    this.#processes = findProcessBound(hierarchies);
    this.cpu = new CpuMeter(hierarchies);
  }

  /** Processors and memory only, without touching a disk or the table of processes. */
  quick(): Pick<SystemSnapshot, "at" | "cpu" | "memory"> {
    return {
      at: new Date(),
      cpu: { usagePercent: this.cpu.usagePercent(), cores: this.cpu.cores },
      memory: this.#readMemory(),
    };
  }

  async snapshot(): Promise<SystemSnapshot> {
    const processes = await countProcesses();
    return {
      ...this.quick(),
      load: loadavg(),
      disk: await readDisk(this.#options.diskPath),
      network: readNetwork(),
      uptimeSeconds: sandboxUptime(),
      openFiles: Number(readText("/proc/sys/fs/file-nr").split("\t")[0] ?? 0),
      processes: { ...processes, limit: this.#processes?.limit },
    };
  }

  [Symbol.dispose](): void {
    this.cpu[Symbol.dispose]();
  }

  #readMemory(): Amount {
    const machine = readMachineMemory();
    const used = this.#memory?.used();
    if (this.#memory === undefined || used === undefined) return machine;
    const total = this.#memory.limit;
    const within = Math.min(used, total);
    return { total, used: within, free: Math.min(total - within, machine.free) };
  }
}

/** As `free` counts: what the kernel would give back is not used. */
function readMachineMemory(): Amount {
  const text = readText("/proc/meminfo");
  const bytes = (name: string) =>
    1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1] ?? 0);
  const [total, free] = [bytes("MemTotal"), bytes("MemAvailable")];
  return { total, used: total - free, free };
}

/** As `df` counts: what is kept back for root is neither used nor free. */
async function readDisk(path: string): Promise<Amount> {
  const { blocks, bfree, bavail, bsize } = await statfs(path);
  return { total: blocks * bsize, used: (blocks - bfree) * bsize, free: bavail * bsize };
}

/** A container's first process began later than its machine. */
function sandboxUptime(): number {
  const now = uptimeSeconds();
  const first = readStatLine("1");
  return first === undefined ? now : Math.max(0, now - first.startTicks / CLOCK_TICKS);
}
