import { readFileSync, readlinkSync } from "node:fs";
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
  for (const one of startedSince(shell, before)) signalProcess(one.pid, "SIGKILL", () => isSame(one));
}

/** The programs of the command under way that a signal sent now reaches as such. */
export function programsSince(shell: number, before: Before): ReadonlySet<number> {
  const own = programOf(shell);
  return new Set(
    startedSince(shell, before)
      .map(({ pid }) => pid)
      .filter((pid) => programOf(pid) !== own),
  );
}

/**
 * Interrupts what the command under way has started but for the programs that have had their interrupt. One that came
 * between the shell's fork and the program is lost, and the shell waits for that program.
 */
export function interruptMissed(shell: number, before: Before, reached: ReadonlySet<number>): void {
  for (const one of startedSince(shell, before))
    if (!reached.has(one.pid)) signalProcess(one.pid, "SIGINT", () => isSame(one));
}

function startedSince(shell: number, before: Before): ProcessStat[] {
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
  return all.filter(
    ({ pid, startTime }) => pid !== shell && own.has(pid) && !earlier.has(pid) && startTime >= before.ticks,
  );
}

/** Undefined where it cannot be told, as of a process that has ended. */
function programOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
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
