import { readFileSync } from "node:fs";
import { signalProcess } from "../process/libc.ts";
import { isSame, listProcesses, type ProcessStat } from "../process/proc.ts";

/** Clock ticks since the machine started, as /proc counts the start of processes. */
function ticksNow(): number {
  const [seconds = "0"] = readFileSync("/proc/uptime", "utf8").split(" ");
  // USER_HZ is 100 on every Linux that Bun runs on.
  return Math.floor(Number(seconds) * 100);
}

/** What ran in a session when a command began: the jobs of earlier commands. */
export interface Before {
  readonly ticks: number;
  /** The shell's own children, the jobs that are still its. */
  readonly jobs: ReadonlySet<number>;
}

export function lookBefore(shell: number): Before {
  return { ticks: ticksNow(), jobs: new Set(childrenOf(shell)) };
}

/**
 * Ends with SIGKILL what a session has started since, but not the session's shell: the command under way, whatever
 * signals it ignores, and none of the background jobs of earlier commands.
 */
export function killSince(shell: number, before: Before): void {
  const all = listProcesses();
  const within = (roots: Iterable<number>, isRoot: (one: ProcessStat) => boolean) => {
    const found = new Set(roots);
    for (let size = -1; size !== found.size;) {
      size = found.size;
      for (const one of all) if (found.has(one.parent) || isRoot(one)) found.add(one.pid);
    }
    return found;
  };
  const own = within([shell], ({ session }) => session === shell);
  const earlier = within(before.jobs, () => false);
  for (const one of all) {
    if (one.pid === shell || !own.has(one.pid) || earlier.has(one.pid)) continue;
    if (one.startTime >= before.ticks) signalProcess(one.pid, "SIGKILL", () => isSame(one));
  }
}

/** Without a look at every process of the machine; none where the kernel does not tell (CONFIG_PROC_CHILDREN). */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
