import { EngineError } from "../error.ts";
import { signalProcess } from "../process/libc.ts";
import { RUN_ID_VARIABLE } from "../process/process-group.ts";
import { isSame, readStat, startEnvironment, type ProcessStat } from "../process/proc.ts";
import type { RunId, SignalName } from "../run.ts";
import { identityOf } from "./stat-line.ts";

export interface StopOptions {
  /** Sent as it is; absent: SIGTERM, and after the grace SIGKILL. */
  readonly signal: SignalName | undefined;
  readonly graceMs: number;
  /** The user that runs work as. */
  readonly uid: number;
  readonly isRun: (id: RunId) => boolean;
}

/** After SIGKILL. */
const KILL_DEADLINE_MS = 2000;
const LONGEST_PAUSE_MS = 20;

/**
 * Signals one process that is not the first of a run: one that a run started, or another of the user that runs
 * work as.
 * @returns Whether it has ended; undefined when there is no such process.
 * @throws EngineError `denied` for the daemon, process 1 and what belongs to others.
 */
export async function stopSystemProcess(pid: number, options: StopOptions): Promise<boolean | undefined> {
  const target = readStat(pid);
  // A thread has a directory in /proc, too, but is listed nowhere.
  if (target === undefined || hasEnded(target) || identityOf(pid)?.leader !== pid) return undefined;
  refuseForeign(target, options);
  const send = (signal: SignalName) => signalProcess(pid, signal, () => isSame(target));
  if (options.signal !== undefined) {
    send(options.signal);
    return options.signal === "SIGKILL" ? await ends(target, KILL_DEADLINE_MS) : hasEnded(target);
  }
  send("SIGTERM");
  if (await ends(target, options.graceMs)) return true;
  send("SIGKILL");
  return await ends(target, KILL_DEADLINE_MS);
}

function refuseForeign(target: ProcessStat, { uid, isRun }: StopOptions): void {
  const { pid } = target;
  const refuse = (reason: string) => {
    throw new EngineError("denied", `Cannot kill process ${pid}: ${reason}`, { details: { pid } });
  };
  if (pid === process.pid) refuse("it is the sandbox's agent itself");
  if (pid === 1) refuse("it is the first process of the machine");
  if (identityOf(pid)?.uid !== uid && !isOfRun(pid, isRun))
    refuse("it belongs neither to a run of this sandbox nor to the user that runs work as");
}

function isOfRun(pid: number, isRun: (id: RunId) => boolean): boolean {
  const prefix = `${RUN_ID_VARIABLE}=`;
  const entry = startEnvironment(pid).find((variable) => variable.startsWith(prefix));
  // What is no run's id is not in the table of runs.
  return entry !== undefined && isRun(entry.slice(prefix.length) as RunId);
}

function hasEnded(target: ProcessStat): boolean {
  const now = readStat(target.pid);
  return now === undefined || now.startTime !== target.startTime || ["Z", "X"].includes(now.state);
}

/** Whether a process that is not a child of the daemon ends in time. Nothing tells of that, so this looks. */
async function ends(target: ProcessStat, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (let pauseMs = 1; !hasEnded(target); pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    if (performance.now() > deadline) return false;
    await new Promise((resume) => setTimeout(resume, pauseMs));
  }
  return true;
}
