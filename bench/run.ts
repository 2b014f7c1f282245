import type { Options } from "./harness/arguments.ts";
import { Interrupted, unlessStopped } from "./harness/interruption.ts";
import { lookAtMachine } from "./harness/machine.ts";
import { measure, type Measurement, type Pace } from "./harness/measure.ts";
import { nameOf, NotHere, type Scenario, type Subject } from "./harness/scenario.ts";
import { Stage } from "./harness/stage.ts";
import { judge } from "./report/judge.ts";
import { sizeText } from "./report/numbers.ts";
import type { LeftOut, Report, ScenarioReport, Shown, SubjectReport } from "./report/report.ts";

/** Told while it goes on. */
export interface Listener {
  subject(subject: Subject): void;
  /** Before each measurement. */
  begins(text: string): void;
  measured(scenario: Shown, measurement: Measurement): void;
  leftOut(name: string, leftOut: LeftOut): void;
}

export interface RunOptions extends Pick<Options, "isQuick" | "rounds" | "peer"> {
  readonly listener: Listener;
  readonly signal: AbortSignal;
}

const QUICK: Pace = { rounds: 5, leastRounds: 1, budgetMs: 150 };
const FULL: Pace = { rounds: 300, leastRounds: 3, budgetMs: 2000 };
const QUICK_MOST_CLIENTS = 8;

/** Measures everything of these subjects, one after the other. @throws Interrupted */
export async function run(catalogue: readonly Subject[], options: RunOptions): Promise<Report> {
  const machine = await lookAtMachine();
  const [started, from] = [new Date().toISOString(), performance.now()];
  const subjects: SubjectReport[] = [];
  for (const subject of catalogue) {
    const { name, title, about } = subject;
    options.listener.subject(subject);
    const scenarios: ScenarioReport[] = [];
    for (const scenario of subject.scenarios)
      scenarios.push(await runScenario(nameOf(subject, scenario), scenario, options));
    subjects.push({ name, title, about, scenarios });
  }
  const seconds = (performance.now() - from) / 1000;
  const { isQuick, rounds = null, peer } = options;
  const asked = { isQuick, rounds, peer: peer?.url ?? null };
  return { format: "sanderling-bench/1", started, seconds, ...asked, machine, subjects };
}

async function runScenario(name: string, scenario: Scenario, options: RunOptions): Promise<ScenarioReport> {
  const { what, unit = "ms", growth, clients = [1] } = scenario;
  const shown = { name, what, unit, sizesOf: growth?.of ?? null, clients };
  const measurements: Measurement[] = [];
  const leftOut: LeftOut[] = [];
  const sizes = growth ? (options.isQuick ? growth.quick : growth.sizes) : [0];
  for (const size of sizes) {
    try {
      for await (const measurement of measureAt(size, name, scenario, options)) {
        measurements.push(measurement);
        options.listener.measured(shown, measurement);
      }
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      leftOut.push({ reason, isFailure: !(error instanceof NotHere) });
      options.listener.leftOut(name, { reason, isFailure: !(error instanceof NotHere) });
    }
  }
  return { ...shown, measurements, judgements: judge(scenario, measurements), leftOut };
}

/** On one stage, with each number of clients. */
async function* measureAt(
  size: number,
  name: string,
  scenario: Scenario,
  options: RunOptions,
): AsyncGenerator<Measurement> {
  const { isQuick, listener, signal } = options;
  await using stage = new Stage(options);
  const at = scenario.growth ? `, ${sizeText(size, scenario.growth.of)}` : "";
  listener.begins(name + at);
  const contenders = await unlessStopped(signal, scenario.open(stage, size));
  const pace = paceOf(scenario, options);
  for (const clients of scenario.clients ?? [1]) {
    if (isQuick && clients > QUICK_MOST_CLIENTS) continue;
    if (clients > 1) listener.begins(`${name}${at}, ${clients} clients`);
    yield await measure(scenario, contenders, { clients, size, pace, signal });
  }
}

/** What takes seconds is done a few times only, whatever is asked. */
function paceOf({ isLong = false, patience = 1 }: Scenario, { isQuick, rounds }: RunOptions): Pace {
  if (isLong) return { rounds: isQuick ? 1 : 3, leastRounds: isQuick ? 1 : 3, budgetMs: 0 };
  if (rounds !== undefined) return { rounds, leastRounds: rounds, budgetMs: Infinity };
  const pace = isQuick ? QUICK : FULL;
  return { ...pace, budgetMs: pace.budgetMs * patience };
}
