import type { Child, SpawnSpec } from "./spawn.ts";
import type { RunId, RunUsage } from "../run.ts";

/** Limits of one run; absent means the machine's own. Each is enforced by the kernel or refused, never ignored. */
export interface RunLimits {
  /** Memory of the whole tree, in bytes. */
  readonly memoryBytes?: number | undefined;
  /** Processors' worth of time, for example 0.5 or 2. */
  readonly cpus?: number | undefined;
  /** Processes and threads alive at once. */
  readonly processes?: number | undefined;
  /** Open files of each process. */
  readonly openFiles?: number | undefined;
  /** Bytes of stdout and stderr together; the run is stopped at this many. */
  readonly outputBytes?: number | undefined;
}

export type ContainmentKind = "cgroup" | "process_group";

/** What the machine offers for keeping runs together, as `doctor` shows it. */
export interface ContainmentReport {
  readonly kind: ContainmentKind;
  /** For example "cgroup v2 (kill, cpu time), v1 memory, v1 pids". */
  readonly detail: string;
  readonly enforces: { readonly memory: boolean; readonly cpus: boolean; readonly processes: boolean };
}

/** How the runs of this machine are kept together. One for the life of the engine. */
export interface Containment extends AsyncDisposable {
  readonly report: ContainmentReport;
  /**
   * Prepares the enclosure of one run.
   * @throws EngineError `unsupported` for a limit that this machine cannot enforce.
   */
  open(id: RunId, limits: RunLimits): Enclosure;
}

/** Whether these limits can be given to an enclosure that was opened without: it has none of processors. */
export function canLimitLater(
  { enforces }: ContainmentReport,
  { cpus, memoryBytes, processes }: RunLimits,
): boolean {
  if (cpus !== undefined || (memoryBytes !== undefined && !enforces.memory)) return false;
  return processes === undefined || enforces.processes;
}

export type Start = (place: Pick<SpawnSpec, "cgroup" | "gate">) => Child;

/** Everything that one run starts, also what calls setsid or forks twice. */
export interface Enclosure {
  /**
   * Starts the first process, by `start`, so that it and everything it starts are members from their first
   * instruction on; limits hold when this returns.
   * @param start Given the cgroup directory to start in and the gate to wait at, where there are such.
   */
  launch(start: Start): Child;
  /**
   * Instead of `launch`, for a first process that is forked by another one than the daemon.
   * @returns Open files; a process that writes "0" to each is a member, with everything it starts from then on.
   * The caller closes them.
   */
  entrances(): number[];
  /** Instead of the entrances, for a process that must not have them: moves it, which takes some 10 ms. */
  bring(pid: number): Promise<void>;
  /** Told which process has come in through the entrances, or was brought. */
  entered(pid: number): void;
  /**
   * Gives an enclosure that was opened ahead to a run.
   * @throws EngineError `invalid` when the kernel refuses a limit.
   */
  assign(id: RunId, limits: RunLimits): void;
  /** Told that the first process has been reaped: its pid may be another's from now on. */
  leaderReaped(usage: LeaderUsage): void;
  /** Sends a signal to every member. */
  signal(signal: NodeJS.Signals): void;
  /** Settles when no member is left; at once where the machine cannot tell. */
  emptied(signal: AbortSignal): Promise<void>;
  /** Ends every member with SIGKILL and waits until they are gone. */
  kill(): Promise<void>;
  usage(): RunUsage;
  /** From now on `recentPeakMemory` is the highest since this moment. */
  restartPeakMemory(): void;
  /** Bytes, of everything in a cgroup, or of the first process (no cgroup); null where the machine cannot tell. */
  recentPeakMemory(): number | null;
  /** Lets go: what belongs to the enclosure is removed as soon as it is empty. */
  release(): void;
}

/** What the kernel accounted to the first process and the children it waited for. */
export interface LeaderUsage {
  readonly maxRssBytes: number;
  readonly cpuSeconds: number;
}
