/**
 * Measures one scenario: what is compared takes turns, A B A B, so that a machine whose speed drifts slows all alike.
 */
import { unlessStopped } from "./interruption.ts";
import { memoryOf, cpuOf, resetPeak, waitingFor, type Cpu, type Memory } from "./usage.ts";
import type { Contender, Contenders, Facts, Scenario } from "./scenario.ts";
import { median, ratioOf, summarise, type Summary } from "./statistics.ts";

/** How long a measurement goes on: until the rounds are done or the time is up, but for the least of rounds. */
export interface Pace {
  readonly rounds: number;
  readonly leastRounds: number;
  readonly budgetMs: number;
}

/** One measurement: a scenario with a number of clients, at a size. */
export interface Measurement {
  readonly clients: number;
  readonly size: number;
  readonly rounds: number;
  /** Ours, then what it is compared with. */
  readonly contenders: readonly Measured[];
}

export interface Measured extends Summary {
  readonly what: string;
  /** Calls a second of all clients together, the median of the turns; null where samples are not durations. */
  readonly perSecond: number | null;
  /** Ours to this one, pair by pair; null for ours. */
  readonly ratio: number | null;
  readonly throughputRatio: number | null;
  /** Null where the server is another's. */
  readonly process: ProcessFigures | null;
  readonly facts: Facts;
}

/** Of the process that does the work; sizes in 10^6 bytes. */
export interface ProcessFigures {
  readonly cpuMsPerCall: number;
  /** With what it starts. */
  readonly treeCpuMsPerCall: number;
  readonly residentMB: number;
  readonly peakMB: number;
  /** From before the first call to the peak. */
  readonly growthMB: number;
  /** What it had started and was waiting, before the first call. */
  readonly waiting: number;
  readonly waitingMB: number;
}

/** What one contender did in one turn. */
interface Turn {
  readonly samples: readonly number[];
  readonly calls: number;
  readonly ms: number;
  /** Whether the samples are the durations of the calls. */
  readonly isTimed: boolean;
}

/** With one client a turn is a call; with more each makes several, so that most are made while all are at it. */
const CALLS_IN_A_TURN = 32;
const LEAST_CALLS_OF_A_CLIENT = 2;
/** Of the time of a measurement, for calls that are not counted. */
const WARM_UP_SHARE = 0.15;
const MOST_WARM_UPS = 20;

export async function measure(
  scenario: Scenario,
  contenders: Contenders,
  { clients, size, pace, signal }: { clients: number; size: number; pace: Pace; signal: AbortSignal },
): Promise<Measurement> {
  const round = async () => {
    const turns: Turn[] = [];
    for (const contender of contenders) turns.push(await unlessStopped(signal, takeTurn(contender, clients)));
    return turns;
  };
  if (!scenario.isLong) await warmUp(round, pace);
  const watched = contenders.map(({ pid }) => watch(pid));
  const rounds: Turn[][] = [];
  const started = performance.now();
  while (isMore(rounds.length, performance.now() - started, pace)) rounds.push(await round());
  const turnsOf = (index: number) => rounds.flatMap((turns) => turns[index] ?? []);
  const measured = await Promise.all(
    contenders.map(async ({ what, facts }, index) => ({
      what,
      ...summarise(
        turnsOf(index).flatMap(({ samples }) => samples),
        { isSpeed: scenario.unit === "MB/s" },
      ),
      ...compare(turnsOf(0), turnsOf(index), index),
      process: watched[index]?.(turnsOf(index).reduce((sum, { calls }) => sum + calls, 0)) ?? null,
      facts: (await facts?.()) ?? {},
    })),
  );
  return { clients, size, rounds: rounds.length, contenders: measured };
}

function isMore(rounds: number, spentMs: number, pace: Pace): boolean {
  if (rounds < pace.leastRounds) return true;
  return rounds < pace.rounds && spentMs < pace.budgetMs;
}

async function warmUp(round: () => Promise<unknown>, pace: Pace): Promise<void> {
  const most = Math.min(MOST_WARM_UPS, Math.ceil(pace.rounds / 5));
  const started = performance.now();
  for (let i = 0; i < most; i++) {
    await round();
    if (performance.now() - started > WARM_UP_SHARE * pace.budgetMs) return;
  }
}

async function takeTurn(contender: Contender, clients: number): Promise<Turn> {
  const calls = clients === 1 ? 1 : Math.max(LEAST_CALLS_OF_A_CLIENT, Math.ceil(CALLS_IN_A_TURN / clients));
  const samples: number[] = [];
  let isTimed = true;
  const client = async () => {
    for (let i = 0; i < calls; i++) {
      const began = performance.now();
      const given = await contender.call();
      isTimed &&= given === undefined;
      samples.push(...[given ?? performance.now() - began].flat());
    }
  };
  if (clients === 1) await contender.before?.();
  const started = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  return { samples, calls: clients * calls, ms: performance.now() - started, isTimed };
}

function compare(ours: readonly Turn[], its: readonly Turn[], index: number) {
  const isTimed = its.every((turn) => turn.isTimed);
  const typical = (turns: readonly Turn[]) => turns.map(({ samples }) => median(samples));
  const speeds = (turns: readonly Turn[]) => turns.map(({ calls, ms }) => (calls * 1000) / ms);
  return {
    perSecond: isTimed ? median(speeds(its)) : null,
    ratio: index === 0 ? null : ratioOf(typical(ours), typical(its)),
    throughputRatio: index === 0 || !isTimed ? null : ratioOf(speeds(ours), speeds(its)),
  };
}

/** Watches a process from now on. @returns Tells what it took for so many calls. */
function watch(pid: number | undefined): ((calls: number) => ProcessFigures) | undefined {
  if (pid === undefined) return undefined;
  resetPeak(pid);
  const waiting = waitingFor(pid);
  const [before, { residentMB }]: [Cpu, Memory] = [cpuOf(pid), memoryOf(pid)];
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
