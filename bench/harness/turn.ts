import type { Contender } from "./scenario.ts";
import { median, ratioOf } from "./statistics.ts";

/** What one contender did before the next one's turn. */
export interface Turn {
  readonly samples: readonly number[];
  readonly calls: number;
  readonly ms: number;
  /** Whether the samples are the durations of the calls. */
  readonly isTimed: boolean;
}

/** How ours compares with another; null for ours, and for throughput where samples are not durations. */
export interface Comparison {
  /** Ours to the other, pair by pair. */
  readonly ratio: number | null;
  readonly throughputRatio: number | null;
}

/** With one client a turn is a call; with more each makes several, so that most are made while all are at it. */
const CALLS_IN_A_TURN = 32;
const LEAST_CALLS_OF_A_CLIENT = 2;

export async function takeTurn(contender: Contender, clients: number): Promise<Turn> {
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

/** Calls a second of all clients together, the median of the turns; null where samples are not durations. */
export function throughput(turns: readonly Turn[]): number | null {
  return turns.every(({ isTimed }) => isTimed) ? median(speeds(turns)) : null;
}

export function compare(ours: readonly Turn[], theirs: readonly Turn[]): Comparison {
  const typical = (turns: readonly Turn[]) => turns.map(({ samples }) => median(samples));
  const isTimed = [...ours, ...theirs].every((turn) => turn.isTimed);
  return {
    ratio: ratioOf(typical(ours), typical(theirs)),
    throughputRatio: isTimed ? ratioOf(speeds(ours), speeds(theirs)) : null,
  };
}

function speeds(turns: readonly Turn[]): number[] {
  return turns.map(({ calls, ms }) => (calls * 1000) / ms);
}
