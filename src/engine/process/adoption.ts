import { reap } from "./libc.ts";
import { readText } from "./cgroup-files.ts";
import { readStat } from "./proc.ts";

/**
 * Collects orphans that became children of the daemon, because it is process 1 of its container or has asked
 * for them. Nobody else waits for them, and as zombies they would use up the machine's process numbers.
 * @param isOwnChild Whether a pid belongs to a child that the runtime itself waits for.
 */
export function reapOrphans(isOwnChild: (pid: number) => boolean): Disposable {
  const children = `/proc/self/task/${process.pid}/children`;
  let scheduled = false;
  const sweep = () => {
    scheduled = false;
    for (const pid of readText(children).split(" ").filter(Boolean).map(Number)) {
      if (!isOwnChild(pid) && readStat(pid)?.state === "Z") reap(pid);
    }
  };
  const onChild = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(sweep);
  };
  process.on("SIGCHLD", onChild);
  return { [Symbol.dispose]: () => void process.off("SIGCHLD", onChild) };
}
