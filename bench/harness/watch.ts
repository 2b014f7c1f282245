import { cpuOf, memoryOf, resetPeak, waitingFor } from "./usage.ts";

/** What a process took meanwhile; sizes in 10^6 bytes. */
export interface ProcessFigures {
  readonly cpuMsPerCall: number;
  /** With what it started. */
  readonly treeCpuMsPerCall: number;
  readonly residentMB: number;
  readonly peakMB: number;
  /** From before the first call to the peak. */
  readonly growthMB: number;
  /** Processes that it had started and that waited before the first call, and their memory. */
  readonly waiting: number;
  readonly waitingMB: number;
}

/** Watches a process from now on. @returns Tells what it took for so many calls. */
export function watch(pid: number): (calls: number) => ProcessFigures {
  resetPeak(pid);
  const waiting = waitingFor(pid);
  const [before, { residentMB }] = [cpuOf(pid), memoryOf(pid)];
  return (calls) => {
    const [after, memory] = [cpuOf(pid), memoryOf(pid)];
    return {
      cpuMsPerCall: (after.ownMs - before.ownMs) / calls,
      treeCpuMsPerCall: (after.treeMs - before.treeMs) / calls,
      ...memory,
      growthMB: Math.max(0, memory.peakMB - residentMB),
      waiting: waiting.count,
      waitingMB: waiting.mb,
    };
  };
}
