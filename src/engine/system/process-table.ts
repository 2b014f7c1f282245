import { readdirSync } from "node:fs";
import { totalmem } from "node:os";
import { pageBytes } from "../process/libc.ts";
import { userNames } from "../user.ts";
import { bootTimeMs, CLOCK_TICKS, uptimeSeconds } from "./clock.ts";
import { identityOf, readCommandLine, readStatLine, type StatLine } from "./stat-line.ts";

/** What a process uses. */
export interface ProcessLoad {
  /** Of one processor, over the life of the process, as `ps` tells it; above 100 with several threads. */
  readonly cpuPercent: number;
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  readonly memoryPercent: number;
}

/** One process of the machine, as `ps` shows it. */
export interface SystemProcess extends ProcessLoad {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** The arguments with spaces between them; the name in brackets where there are none, as of a kernel thread. */
  readonly command: string;
  readonly user: string;
  readonly state: ProcessState;
  readonly threads: number;
  readonly startedAt: Date;
}

export const PROCESS_ORDERS = ["pid", "cpu", "memory", "start"] as const;
export type ProcessOrder = (typeof PROCESS_ORDERS)[number];

const STATES: Readonly<Record<string, ProcessState>> = {
  R: "running",
  S: "sleeping",
  D: "disk-sleep",
  T: "stopped",
  t: "tracing-stop",
  Z: "zombie",
  X: "dead",
  I: "idle",
};
export type ProcessState =
  "running" | "sleeping" | "disk-sleep" | "stopped" | "tracing-stop" | "zombie" | "dead" | "idle" | "unknown";

/** So many are read before other work gets its turn. */
const BATCH = 128;

/** Pid upwards; the others begin with the largest, or the latest. */
const ORDERS: Readonly<Record<ProcessOrder, (a: StatLine, b: StatLine, now: number) => number>> = {
  pid: (a, b) => a.pid - b.pid,
  cpu: (a, b, now) => cpuShare(b, now) - cpuShare(a, now) || a.pid - b.pid,
  memory: (a, b) => b.pages - a.pages || a.pid - b.pid,
  start: (a, b) => b.startTicks - a.startTicks || b.pid - a.pid,
};

/** The processes of the machine, read from /proc without starting any, and how many there are in all. */
export async function listSystemProcesses(options: {
  readonly order: ProcessOrder;
  readonly limit: number;
}): Promise<{ readonly processes: readonly SystemProcess[]; readonly total: number }> {
  const now = uptimeSeconds();
  const stats: StatLine[] = [];
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  for (const [index, pid] of pids.entries()) {
    if (index % BATCH === BATCH - 1) await nextTurn();
    const stat = readStatLine(pid);
    if (stat) stats.push(stat);
  }
  stats.sort((a, b) => ORDERS[options.order](a, b, now));
  return { processes: await describeAll(stats.slice(0, options.limit), now), total: stats.length };
}

/** One process; undefined when there is none of that pid. */
export function findSystemProcess(pid: number): SystemProcess | undefined {
  const stat = readStatLine(String(pid));
  return stat && describe(stat, { now: uptimeSeconds(), names: userNames(), boot: bootTimeMs() });
}

/** The same of hundreds, without what only people want to know. */
export function findProcessLoad(pid: number): ProcessLoad | undefined {
  const stat = readStatLine(String(pid));
  return stat && loadOf(stat, uptimeSeconds());
}

interface Surroundings {
  /** Seconds since boot. */
  readonly now: number;
  readonly names: ReadonlyMap<number, string>;
  readonly boot: number;
}

async function describeAll(stats: readonly StatLine[], now: number): Promise<SystemProcess[]> {
  const around = { now, names: userNames(), boot: bootTimeMs() };
  const found: SystemProcess[] = [];
  for (const [index, stat] of stats.entries()) {
    if (index % BATCH === BATCH - 1) await nextTurn();
    found.push(describe(stat, around));
  }
  return found;
}

function describe(stat: StatLine, { now, names, boot }: Surroundings): SystemProcess {
  const uid = identityOf(stat.pid)?.uid;
  return {
    pid: stat.pid,
    parent: stat.parent,
    name: stat.name,
    command: readCommandLine(stat.pid) ?? `[${stat.name}]`,
    user: uid === undefined ? "unknown" : (names.get(uid) ?? String(uid)),
    state: STATES[stat.state] ?? "unknown",
    ...loadOf(stat, now),
    threads: stat.threads,
    startedAt: new Date(boot + (1000 * stat.startTicks) / CLOCK_TICKS),
  };
}

function loadOf(stat: StatLine, now: number): ProcessLoad {
  const memoryBytes = stat.pages * pageBytes();
  return {
    cpuPercent: round(100 * cpuShare(stat, now)),
    cpuSeconds: stat.ticks / CLOCK_TICKS,
    memoryBytes,
    memoryPercent: round((100 * memoryBytes) / totalmem()),
  };
}

/** What a process of less than one tick has used is not known better than that. */
function cpuShare({ ticks, startTicks }: StatLine, now: number): number {
  const seconds = now - startTicks / CLOCK_TICKS;
  return ticks / CLOCK_TICKS / Math.max(seconds, 1 / CLOCK_TICKS);
}

function round(percent: number): number {
  return Math.round(percent * 100) / 100;
}

function nextTurn(): Promise<void> {
  return new Promise((resume) => setImmediate(resume));
}
