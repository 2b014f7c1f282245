import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { readText, type Hierarchy } from "../process/cgroup-files.ts";

/** A limit that a cgroup sets, and how much of it is used. */
export interface Bound {
  readonly limit: number;
  /** undefined when the cgroup is gone or does not tell. */
  used(): number | undefined;
}

/**
 * The memory that everything here shares, in bytes: of all cgroups around the daemon the tightest counts.
 * undefined: there is none, and the machine's memory is the bound.
 */
export function findMemoryBound(hierarchies: readonly Hierarchy[]): Bound | undefined {
  return tightest(hierarchies, "memory", ({ version, directory }) => {
    const limit = number(join(directory, version === 2 ? "memory.max" : "memory.limit_in_bytes"));
    // Version 1 writes "no limit" as a number that no machine has.
    if (limit === undefined || limit >= totalmem()) return undefined;
    return { limit, used: () => memoryUsed(directory, version) };
  });
}

/** Processors as a share of time, 1.5 for one and a half; `used` is seconds of them since the cgroup was made. */
export function findCpuBound(hierarchies: readonly Hierarchy[]): Bound | undefined {
  return tightest(hierarchies, "cpu", ({ version, directory }) => {
    const [quota, period] =
      version === 2
        ? readText(join(directory, "cpu.max")).split(" ").map(Number)
        : [number(join(directory, "cpu.cfs_quota_us")), number(join(directory, "cpu.cfs_period_us"))];
    if (quota === undefined || period === undefined || !(quota > 0) || !(period > 0)) return undefined;
    if (quota / period >= availableParallelism()) return undefined;
    return { limit: quota / period, used: () => cpuSeconds(hierarchies, directory, version) };
  });
}

/** How many processes and threads there may be. */
export function findProcessBound(hierarchies: readonly Hierarchy[]): Bound | undefined {
  return tightest(hierarchies, "pids", ({ directory }) => {
    const limit = number(join(directory, "pids.max"));
    return limit === undefined ? undefined : { limit, used: () => number(join(directory, "pids.current")) };
  });
}

interface Level {
  readonly version: 1 | 2;
  readonly directory: string;
}

function tightest(
  hierarchies: readonly Hierarchy[],
  controller: string,
  read: (level: Level) => Bound | undefined,
): Bound | undefined {
  const found = hierarchies
    .filter(({ version, controllers }) => version === 2 || controllers.has(controller))
    .flatMap(({ version, own }) => levels(own).map((directory) => read({ version, directory })))
    .filter((bound) => bound !== undefined);
  return found.sort((a, b) => a.limit - b.limit)[0];
}

/** A cgroup and all above it that can be seen. */
function levels(own: string): string[] {
  const found: string[] = [];
  for (let at = own; existsSync(join(at, "cgroup.procs")) && at !== dirname(at); at = dirname(at))
    found.push(at);
  return found;
}

/** As `docker stats` and the kubelet count: what the kernel could take back at once is not used. */
function memoryUsed(directory: string, version: 1 | 2): number | undefined {
  const current = number(join(directory, version === 2 ? "memory.current" : "memory.usage_in_bytes"));
  const name = version === 2 ? "inactive_file" : "total_inactive_file";
  const [, reclaimable = "0"] =
    new RegExp(`^${name} (\\d+)$`, "m").exec(readText(join(directory, "memory.stat"))) ?? [];
  return current === undefined ? undefined : Math.max(0, current - Number(reclaimable));
}

function cpuSeconds(
  hierarchies: readonly Hierarchy[],
  directory: string,
  version: 1 | 2,
): number | undefined {
  if (version === 2) {
    const [, micros] = /^usage_usec (\d+)$/m.exec(readText(join(directory, "cpu.stat"))) ?? [];
    return micros === undefined ? undefined : Number(micros) / 1e6;
  }
  // Its quota and its use may be told by two hierarchies, which then have cgroups of the same name.
  const beside = hierarchies.find(({ controllers }) => controllers.has("cpuacct"))?.own;
  const nanos =
    number(join(directory, "cpuacct.usage")) ??
    (beside === undefined ? undefined : number(join(beside, "cpuacct.usage")));
  return nanos === undefined ? undefined : nanos / 1e9;
}

/** undefined for what is no number ("max") or cannot be read. */
function number(path: string): number | undefined {
  try {
    const text = readFileSync(path, "latin1").trim();
    return /^-?\d+$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}
