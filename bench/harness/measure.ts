/**
 * Measures one scenario. What is compared takes turns, A B B A, so that a machine whose speed drifts slows all alike, and
 * that what one leaves to be done afterwards does not always slow the same other.
 */
import { unlessStopped } from "./interruption.ts";
import type { Contenders, Facts, Scenario } from "./scenario.ts";
import { summarise, type Summary } from "./statistics.ts";
import { compare, takeTurn, throughput, type Comparison, type Turn } from "./turn.ts";
import { watch, type ProcessFigures } from "./watch.ts";

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

export interface Measured extends Summary, Comparison {
  readonly what: string;
  /** Calls a second of all clients together; null where samples are not durations. */
  readonly perSecond: number | null;
  /** Null where the work is not done by a server of this machine. */
  readonly process: ProcessFigures | null;
  readonly facts: Facts;
}

export interface MeasureOptions {
  readonly clients: number;
  readonly size: number;
  readonly pace: Pace;
  /** @throws Interrupted when it comes. */
  readonly signal: AbortSignal;
}

/** Of the time of a measurement, for calls that are not counted. */
const WARM_UP_SHARE = 0.15;
const MOST_WARM_UPS = 20;
const OURS: Comparison = { ratio: null, throughputRatio: null };

export async function measure(
  scenario: Scenario,
  contenders: Contenders,
  { clients, size, pace, signal }: MeasureOptions,
): Promise<Measurement> {
  const turns: Turn[][] = contenders.map(() => []);
  const round = async (counted: number) => {
    const order = [...contenders.entries()];
    for (const [index, contender] of counted % 2 === 0 ? order : order.reverse())
      turns[index]?.push(await unlessStopped(signal, takeTurn(contender, clients)));
  };
  if (!scenario.isLong) await warmUp(round, pace);
  for (const counted of turns) counted.length = 0;
  const watched = contenders.map(({ pid }) => (pid === undefined ? undefined : watch(pid)));
  const rounds = await goOn(round, pace);
  const measured = contenders.map(async ({ what, facts }, index) => {
    const [ours = [], its = []] = [turns[0], turns[index]];
    const samples = its.flatMap((turn) => turn.samples);
    return {
      what,
      ...summarise(samples, { isSpeed: scenario.unit === "MB/s" }),
      perSecond: throughput(its),
      ...(index === 0 ? OURS : compare(ours, its)),
      process: watched[index]?.(its.reduce((sum, { calls }) => sum + calls, 0)) ?? null,
      facts: (await facts?.()) ?? {},
    };
  });
  return { clients, size, rounds, contenders: await Promise.all(measured) };
}

/** @returns How many rounds there were. */
async function goOn(round: (index: number) => Promise<void>, pace: Pace): Promise<number> {
  const started = performance.now();
  const isMore = (rounds: number) =>
    rounds < pace.leastRounds || (rounds < pace.rounds && performance.now() - started < pace.budgetMs);
  let rounds = 0;
  while (isMore(rounds)) await round(rounds++);
  return rounds;
}

async function warmUp(round: (index: number) => Promise<void>, pace: Pace): Promise<void> {
  const rounds = Math.min(MOST_WARM_UPS, Math.ceil(pace.rounds / 5));
  await goOn(round, { rounds, leastRounds: 1, budgetMs: WARM_UP_SHARE * pace.budgetMs });
}
