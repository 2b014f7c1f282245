import { readdir } from "node:fs/promises";
import { readStatLine } from "./stat-line.ts";

/** So many are read before other work gets its turn. */
const BATCH = 128;

/** The processes that can be seen from here, and those of them that run or want to. */
export async function countProcesses(): Promise<{ readonly total: number; readonly running: number }> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const count = { total: 0, running: 0 };
  for (const [index, pid] of pids.entries()) {
    if (index % BATCH === BATCH - 1) await new Promise((resume) => setImmediate(resume));
    const stat = readStatLine(pid);
    if (stat === undefined) continue;
    count.total++;
    if (stat.state === "R") count.running++;
  }
  return count;
}
