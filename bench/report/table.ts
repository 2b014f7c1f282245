import type { Measured, Measurement } from "../harness/measure.ts";
import { number, ratio, sizeText } from "./numbers.ts";
import type { Shown } from "./report.ts";

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
export function tableLines(scenario: Shown, measurement: Measurement): string[] {
  return measurement.contenders.map((contender, index) => {
    const names = index === 0 ? [scenario.what, atText(scenario, measurement)] : [`· ${contender.what}`, ""];
    return line([...names, ...numbers(contender, scenario.unit)]);
  });
}

/** Size and clients, where a scenario has several: "1 GiB", "8 clients". */
export function atText({ sizesOf, clients }: Shown, at: Pick<Measurement, "size" | "clients">): string {
  const size = sizesOf === null ? "" : sizeText(at.size, sizesOf);
  const callers = clients.length === 1 ? "" : sizeText(at.clients, ["client", "clients"]);
  return [size, callers].filter(Boolean).join(", ");
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
