import type { Measured, Measurement } from "../harness/measure.ts";
import type { Bound, Figure, Scenario, Target } from "../harness/scenario.ts";
import { number, ratio } from "./numbers.ts";

/** A target beside what was measured. */
export interface Judgement {
  readonly asked: string;
  readonly measured: string;
  readonly isMet: boolean;
}

/** Of targets whose measurement was made; `--quick` leaves some sizes out. */
export function judge(
  { targets = [], unit = "ms" }: Scenario,
  measurements: readonly Measurement[],
): Judgement[] {
  return targets.flatMap((target) => {
    const measurement = measurements.find((candidate) => isOf(target, candidate));
    if (measurement === undefined) return [];
    const figures = target.anyOf.map((bound) => ({ bound, value: figure(bound.figure, measurement) }));
    const measured = figures.map(({ bound, value }) => show(bound.figure, value, unit)).join(", ");
    return [
      { asked: target.asked, measured, isMet: figures.some(({ bound, value }) => holds(bound, value)) },
    ];
  });
}

function isOf({ clients = 1, size }: Target, measurement: Measurement): boolean {
  return measurement.clients === clients && (size === undefined || measurement.size === size);
}

function holds({ atMost = Infinity, atLeast = -Infinity }: Bound, value: number): boolean {
  return value <= atMost && value >= atLeast;
}

function figure(name: Figure, { contenders: [ours, other] }: Measurement): number {
  if (name === "ratio" || name === "throughputRatio") return other?.[name] ?? Number.NaN;
  if (name === "growthMB") return ours?.process?.growthMB ?? Number.NaN;
  return ours?.[name satisfies keyof Measured] ?? Number.NaN;
}

function show(name: Figure, value: number, unit: string): string {
  if (name === "ratio") return `× ${ratio(value)}`;
  if (name === "throughputRatio") return `× ${ratio(value)} the throughput`;
  if (name === "growthMB") return `grew by ${number(value)} MB`;
  const which = name === "p50" ? "" : name === "max" ? " at most" : ` (${name})`;
  return `${number(value)} ${unit}${which}`;
}
