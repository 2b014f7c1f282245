import { readFileSync } from "node:fs";
import { signalProcess } from "../process/libc.ts";
import { isSame, listProcesses } from "../process/proc.ts";
import type { ProcessRun } from "../process/process-run.ts";
import type { ShellProcess } from "../shell/shell.ts";

/**
 * A shell that bubblewrap started, seen as if it had been started alone. Two processes stand before it: the one
 * that waits outside, and the first of the namespace, which adopts what is orphaned in there. A signal that is
 * meant for the session's programs must not end those two.
 */
export class ConfinedProcess implements ShellProcess {
  readonly #run: ProcessRun;
  #pid: number | undefined;

  constructor(run: ProcessRun) {
    this.#run = run;
  }

  /** Of the shell; of the process outside as long as the shell is not there. */
  get pid(): number | undefined {
    this.#pid ??= childOf(childOf(this.#run.pid));
    return this.#pid ?? this.#run.pid;
  }

  get hasEnded(): boolean {
    return this.#run.hasEnded;
  }

  get outcome(): ProcessRun["outcome"] {
    return this.#run.outcome;
  }

  get stdin(): ProcessRun["stdin"] {
    return this.#run.stdin;
  }

  signal(signal: NodeJS.Signals): boolean {
    if (signal === "SIGKILL") return this.#run.signal(signal);
    const first = childOf(this.#run.pid);
    if (first === undefined) return false;
    const all = listProcesses();
    const inside = new Set([first]);
    // Descent is found one generation a round.
    for (let before = -1; before !== inside.size;) {
      before = inside.size;
      for (const { pid, parent } of all) if (inside.has(parent)) inside.add(pid);
    }
    for (const one of all)
      if (one.pid !== first && inside.has(one.pid)) signalProcess(one.pid, signal, () => isSame(one));
    return true;
  }

  drained(): Promise<void> {
    return this.#run.drained();
  }

  destroy(): Promise<void> {
    return this.#run.destroy();
  }
}

function childOf(pid: number | undefined): number | undefined {
  if (pid === undefined) return undefined;
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean);
    return child === undefined ? undefined : Number(child);
  } catch {
    // It has ended, or the kernel does not tell (CONFIG_PROC_CHILDREN).
    return listProcesses().find(({ parent }) => parent === pid)?.pid;
  }
}
