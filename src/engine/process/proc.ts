import { readdirSync, readFileSync } from "node:fs";

/** One process as /proc tells it. */
export interface ProcessStat {
  readonly pid: number;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since boot; together with the pid it names a process for ever. */
  readonly startTime: number;
}

/** Undefined when there is no such process (any more). */
export function readStat(pid: number): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command name may hold spaces and parentheses; the fields begin after the last one.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const number = (index: number) => Number(fields[index]);
    return {
      pid,
      state: fields[0] ?? "?",
      parent: number(1),
      group: number(2),
      session: number(3),
      startTime: number(19),
    };
  } catch {
    return undefined;
  }
}

export function listProcesses(): ProcessStat[] {
  const found: ProcessStat[] = [];
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? readStat(Number(name)) : undefined;
    if (stat) found.push(stat);
  }
  return found;
}

/** Whether a process is the one seen before, and not a later one with its pid. */
export function isSame(seen: ProcessStat): boolean {
  return readStat(seen.pid)?.startTime === seen.startTime;
}

/** The environment a process was started with; empty when it may not be read. */
export function startEnvironment(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
  } catch {
    return [];
  }
}
