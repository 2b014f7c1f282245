import { dirname, join } from "node:path";
import { findHierarchies, readField, readNumber, readText } from "../process/cgroup-files.ts";

/** Bytes that may still be used before the machine or the container that the daemon is in runs out of memory. */
export function availableMemory(): number {
  return Math.min(machineMemory(), ...findHierarchies().map(cgroupMemory));
}

function machineMemory(): number {
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readText("/proc/meminfo"))?.[1];
  return kibibytes === undefined ? Number.POSITIVE_INFINITY : Number(kibibytes) * 1024;
}

/** The least that any cgroup above the daemon leaves, caches that can be dropped counted as free. */
function cgroupMemory({ version, own, controllers }: ReturnType<typeof findHierarchies>[number]): number {
  if (version === 1 && !controllers.has("memory")) return Number.POSITIVE_INFINITY;
  const names =
    version === 2
      ? { limit: "memory.max", used: "memory.current", cache: "inactive_file" }
      : {
          limit: "memory.limit_in_bytes",
          used: "memory.usage_in_bytes",
          cache: "total_inactive_file",
        };
  let least = Number.POSITIVE_INFINITY;
  for (let at = own; at !== dirname(at); at = dirname(at)) {
    const used = readNumber(join(at, names.used));
    const limit = readNumber(join(at, names.limit));
    if (used === null || limit === null) continue;
    least = Math.min(least, limit - used + (readField(join(at, "memory.stat"), names.cache) ?? 0));
  }
  return least;
}
