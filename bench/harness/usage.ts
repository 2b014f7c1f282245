/** Processor time and memory of processes, as /proc tells them. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** Of a second; fixed by Linux's interface to programs. */
const TICKS = 100;

/** Processor time since a process began, in milliseconds. */
export interface Cpu {
  readonly ownMs: number;
  /** With all that it started, and what these did. */
  readonly treeMs: number;
}

export interface Memory {
  /** In the machine's memory now, and at most since `resetPeak`, in 10^6 bytes. */
  readonly residentMB: number;
  readonly peakMB: number;
}

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly ownTicks: number;
  readonly reapedTicks: number;
  readonly isZombie: boolean;
}

/** Undefined when there is no such process (any more). */
function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name may hold spaces and parentheses; the fields begin after the last one.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const number = (index: number) => Number(fields[index]);
    return {
      pid,
      parent: number(1),
      ownTicks: number(11) + number(12),
      reapedTicks: number(13) + number(14),
      isZombie: fields[0] === "Z",
    };
  } catch {
    return undefined;
  }
}

/** A process's children, theirs, and so on. */
function descendants(pid: number): Stat[] {
  const children = new Map<number, Stat[]>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? readStat(Number(name)) : undefined;
    if (stat) children.set(stat.parent, [...(children.get(stat.parent) ?? []), stat]);
  }
  const below = (parent: number): Stat[] =>
    (children.get(parent) ?? []).flatMap((child) => [child, ...below(child.pid)]);
  return below(pid);
}

export function cpuOf(pid: number): Cpu {
  const own = readStat(pid);
  const all = own ? [own, ...descendants(pid)] : [];
  const ticks = all.reduce((sum, { ownTicks, reapedTicks }) => sum + ownTicks + reapedTicks, 0);
  return { ownMs: ((own?.ownTicks ?? 0) * 1000) / TICKS, treeMs: (ticks * 1000) / TICKS };
}

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const field = (name: string) =>
    (Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]) * 1024) / 1e6;
  return { residentMB: field("VmRSS"), peakMB: field("VmHWM") };
}

/** From now on the peak is that of what comes (proc(5), clear_refs). */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** How many processes it has started, and these, that are there. */
export function countBelow(pid: number): number {
  return descendants(pid).length;
}

/** Ends a process and all that it started. */
export function killTree(pid: number): void {
  for (const { pid: below } of [{ pid }, ...descendants(pid)]) {
    try {
      process.kill(below, "SIGKILL");
    } catch {
      // It has ended since it was listed.
    }
  }
}

/** What a process has started and lives: how many, and their memory with what they share counted once. */
export function waitingFor(pid: number): { readonly count: number; readonly mb: number } {
  const living = descendants(pid).filter(({ isZombie }) => !isZombie);
  return { count: living.length, mb: living.reduce((sum, child) => sum + proportionalMB(child.pid), 0) };
}

function proportionalMB(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
    return (Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024) / 1e6;
  } catch {
    return 0; // It has ended since it was listed.
  }
}
