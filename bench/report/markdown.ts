import { format } from "prettier";
import { number } from "./numbers.ts";
import type { Report, ScenarioReport, SubjectReport } from "./report.ts";
import { atText, TABLE_HEAD, tableLines } from "./table.ts";

/** A run as a page. */
export function markdownOf(report: Report): Promise<string> {
  const lines = [
    "# Results of make bench",
    "",
    'Made by `make bench ARGS="--markdown FILE"`; [performance.md](performance.md) says how to read it.',
    "",
    ...(report.isQuick ? ["**Made with `--quick`: too few rounds to quote.**", ""] : []),
    ...machineLines(report),
    ...targetLines(report),
    ...report.subjects.flatMap(subjectLines),
  ];
  return format(lines.join("\n"), { parser: "markdown", printWidth: 110 });
}

function machineLines({ machine, started, seconds, rounds, peer }: Report): string[] {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `- Machine: ${machine.cores} cores (${machine.processor}), ${number(machine.memoryGB)} GB of memory, ${machine.kernel}${machine.isAutogrouped ? " (autogroup)" : ""}`,
    `- Versions: ${versions.join(", ")}; commit ${machine.commit}`,
    `- Run: ${started.slice(0, 16).replace("T", " ")} UTC, ${number(seconds / 60)} minutes; load average before it: ${number(machine.loadAverage)}`,
    ...(rounds === null ? [] : [`- Rounds: ${rounds} of each`]),
    ...(peer === null ? [] : [`- Peer: ${peer}`]),
    "",
  ];
}

function targetLines({ subjects }: Report): string[] {
  const scenarios = subjects
    .flatMap(({ scenarios }) => scenarios)
    .filter(({ judgements }) => judgements.length > 0);
  if (scenarios.length === 0) return [];
  const rows = scenarios.flatMap(({ what, judgements }) =>
    judgements.map(
      ({ asked, measured, isMet }) => `| ${what} | ${asked} | ${measured} | ${isMet ? "yes" : "**no**"} |`,
    ),
  );
  return ["## Targets", "", "| Work | Asked | Measured | Met |", "| --- | --- | --- | --- |", ...rows, ""];
}

function subjectLines({ title, about, scenarios }: SubjectReport): string[] {
  const rows = scenarios.flatMap((scenario) =>
    scenario.measurements.flatMap((measurement) => tableLines(scenario, measurement)),
  );
  return [
    `## ${title}`,
    "",
    about,
    "",
    ...(rows.length === 0 ? [] : [...TABLE_HEAD, ...rows, ""]),
    ...scenarios.flatMap(noteLines),
    "",
  ];
}

/** What does not fit into the table: facts, and what was left out. */
function noteLines(scenario: ScenarioReport): string[] {
  const told = new Map<string, string[]>();
  for (const measurement of scenario.measurements)
    for (const [name, value] of measurement.contenders.flatMap(({ facts }) => Object.entries(facts))) {
      const at = atText(scenario, measurement);
      told.set(name, [...(told.get(name) ?? []), at === "" ? value : `${value} (${at})`]);
    }
  return [
    ...[...told].map(([name, values]) => `- ${scenario.what}: ${name}: ${values.join(", ")}.`),
    ...scenario.leftOut.map(({ reason }) => `- ${scenario.what}: not measured: ${reason}.`),
  ];
}
