import { Command } from "commander";
import { setupContext } from "../setup/context.ts";
import { findPart, PARTS, type Part } from "../setup/parts.ts";
import type { PartResult } from "../setup/result.ts";
import { print, TERMINAL } from "./output.ts";
import { addSettings, configOf } from "./settings-flags.ts";
import { alignColumns } from "./table.ts";

const USAGE_ERROR = 2;

/** `sanderling setup`: brings the languages, each by name. */
export function setupCommand(): Command {
  const command = new Command("setup")
    .description("bring what code needs to run; repeating it is quick and changes nothing")
    .argument("[parts...]", "what to bring: see the list below", ["python"])
    .option("--list", "list the parts and do nothing")
    .addHelpText("after", () => ["", "Parts:", ...listParts().map((line) => `  ${line}`)].join("\n"));
  addSettings(command, ["dataDir", "runAs"]);
  return command.action(async (names: readonly string[], options: { list?: boolean }) => {
    if (options.list === true) print(listParts().join("\n"));
    else await setUp(partsNamed(names, command), command);
  });
}

function listParts(): string[] {
  return alignColumns(PARTS.map(({ id, brings }) => [id, brings]));
}

/** All names are looked at before anything is done. */
function partsNamed(names: readonly string[], command: Command): Part[] {
  return [...new Set(names)].map((name) => {
    const known = PARTS.map(({ id }) => id).join(", ");
    return (
      findPart(name) ??
      command.error(`There is no part ${JSON.stringify(name)}; there are: ${known}`, {
        exitCode: USAGE_ERROR,
      })
    );
  });
}

/** One after the other: two package managers at once would wait for each other's lock, or fail at it. */
async function setUp(parts: readonly Part[], command: Command): Promise<void> {
  const context = setupContext(configOf(command), TERMINAL);
  const rows: string[][] = [];
  for (const part of parts) {
    const result = await part.setUp(context);
    rows.push(...summarize(part, result));
    if (result.state === "failed") process.exitCode = 1;
  }
  print(alignColumns(rows).join("\n"));
}

function summarize({ title }: Part, result: PartResult): string[][] {
  if (result.state === "failed")
    return [
      [title, "failed", result.detail],
      ["", "", result.fix],
    ];
  return [[title, result.changed ? "done" : "ok", result.detail]];
}
