import { readText } from "./cgroup-files.ts";
import { becomeSubreaper, collect } from "./libc.ts";
import { readStat } from "./proc.ts";
import { exitOf, isLivingChild, type ChildExit } from "./spawn.ts";

/** The runtime collects a child of its own long before; what is still there then is nobody's. */
const NOBODYS_AFTER_MS = 1000;

/** Orphans whose end somebody waits for. */
const awaited = new Map<number, (exit: ChildExit) => void>();
/** How many adopt in this process. */
let adopting = 0;

/**
 * Makes orphans of the daemon's children its own children (prctl(2), PR_SET_CHILD_SUBREAPER), so that what a run
 * left behind stays below the daemon and a process that is forked to live on by itself has a parent that knows
 * how it ended. Collects those that nobody waits for: as zombies they would use up the machine's process numbers.
 */
export function adoptOrphans(): Disposable {
  if (adopting++ === 0) becomeSubreaper(true);
  let scheduled: NodeJS.Immediate | undefined;
  let later: Timer | undefined;
  let seen: readonly string[] = [];
  const collectSeen = () => {
    const now = zombies();
    for (const { pid } of now.filter(({ name }) => seen.includes(name))) collect(pid);
    seen = now.map(({ name }) => name);
    later = seen.length === 0 ? undefined : setTimeout(collectSeen, NOBODYS_AFTER_MS).unref();
  };
  const sweep = () => {
    scheduled = undefined;
    collectAwaited();
    // Not after each run: to look for them costs as much as a thirtieth of `echo hi`.
    later ??= setTimeout(collectSeen, NOBODYS_AFTER_MS).unref();
  };
  const onChild = () => (scheduled ??= setImmediate(sweep));
  process.on("SIGCHLD", onChild);
  return {
    [Symbol.dispose]() {
      process.off("SIGCHLD", onChild);
      clearImmediate(scheduled);
      clearTimeout(later);
      if (--adopting === 0) becomeSubreaper(false);
    },
  };
}

/**
 * The end of a process that has become the daemon's child by the death of its parent.
 * @returns Undefined when it has not.
 */
export function adopt(pid: number): Promise<ChildExit> | undefined {
  // Whoever named it may be wrong: another's end must not be taken away.
  const found = isLivingChild(pid) || awaited.has(pid) ? "none" : collect(pid);
  if (found === "none") return undefined;
  if (found !== "living") return Promise.resolve(exitOf(found));
  const { promise, resolve } = Promise.withResolvers<ChildExit>();
  awaited.set(pid, resolve);
  return promise;
}

function collectAwaited(): void {
  for (const [pid, resolve] of awaited) {
    const found = collect(pid);
    if (found === "living") continue;
    awaited.delete(pid);
    resolve(found === "none" ? UNKNOWN : exitOf(found));
  }
}

/** Somebody else has collected it. */
const UNKNOWN: ChildExit = { code: null, signal: null, maxRssBytes: 0, cpuSeconds: 0 };

/** Dead children that nobody is known to wait for, each with a name that no other ever has. */
function zombies(): { pid: number; name: string }[] {
  const children = readText(`/proc/self/task/${process.pid}/children`).split(" ").filter(Boolean).map(Number);
  return children.flatMap((pid) => {
    if (isLivingChild(pid) || awaited.has(pid)) return [];
    const stat = readStat(pid);
    return stat?.state === "Z" ? [{ pid, name: `${pid} ${stat.startTime}` }] : [];
  });
}
