import type { Counted } from "../harness/scenario.ts";
import type { Measured, Measurement } from "../harness/measure.ts";
import { number, ratio, sizeText } from "./numbers.ts";
import type { ScenarioReport } from "./report.ts";

/** Name and width of each column; what is measured stands on the left, numbers on the right. */
const COLUMNS = [
  ["What", 58],
  ["At", 15],
  ["n", 5],
  ["p50", 10],
  ["p95", 8],
  ["p99", 8],
  ["a second", 8],
  ["ours ÷ it", 9],
  ["CPU ms", 7],
  ["peak MB", 7],
] as const;
const ON_THE_LEFT = 2;

export const TABLE_HEAD: readonly string[] = [
  line(COLUMNS.map(([name]) => name)),
  `|${COLUMNS.map(([, width], i) => (i < ON_THE_LEFT ? ` ${"-".repeat(width)} ` : ` ${"-".repeat(width - 1)}: `)).join("|")}|`,
];

/** A line for each contender. */
export function tableLines(
  scenario: Pick<ScenarioReport, "what" | "unit" | "sizesOf">,
  measurement: Measurement,
): string[] {
  const { contenders, clients, size } = measurement;
  return contenders.map((contender, index) => {
    const what = index === 0 ? scenario.what : `· ${contender.what}`;
    const at =
      index > 0 ? "" : [sizeOf(scenario.sizesOf, size), clientsOf(clients)].filter(Boolean).join(", ");
    return line([what, at, ...numbers(contender, scenario.unit)]);
  });
}

function sizeOf(of: Counted | null, size: number): string {
  return of === null ? "" : sizeText(size, of);
}

function clientsOf(clients: number): string {
  return clients === 1 ? "" : `${clients} clients`;
}

function numbers({ samples, p50, p95, p99, perSecond, process, ...it }: Measured, unit: string): string[] {
  return [
    String(samples),
    unit === "ms" ? number(p50) : `${number(p50)} ${unit}`,
    number(p95),
    number(p99),
    number(perSecond),
    ratio(it.ratio),
    number(process?.cpuMsPerCall ?? null),
    number(process?.peakMB ?? null),
  ];
}

function line(cells: readonly string[]): string {
  const padded = cells.map((cell, i) => {
    const width = COLUMNS[i]?.[1] ?? 0;
    return i < ON_THE_LEFT ? cell.padEnd(width) : cell.padStart(width);
  });
  return `| ${padded.join(" | ")} |`;
}
