import { Command } from "commander";
import { examine } from "../setup/capabilities.ts";
import type { Capability, Finding } from "../setup/finding.ts";
import { print } from "./output.ts";
import { addSettings, configOf } from "./settings-flags.ts";
import { alignColumns } from "./table.ts";

/** `sanderling doctor`: what works on this machine, and how to get what does not. */
export function doctorCommand(): Command {
  const command = new Command("doctor")
    .description("tell what works on this machine and how to get what does not")
    .option("--json", "print the same as JSON");
  addSettings(command, ["dataDir", "workspace", "runAs", "python", "containment"]);
  return command.action(async (options: { json?: boolean }) => {
    const findings = await examine(configOf(command));
    print(options.json === true ? JSON.stringify(findings.map(publicPart), null, 2) : table(findings));
    const isUsable = !findings.some((finding) => finding.required && finding.state === "missing");
    if (!isUsable) process.exitCode = 1;
  });
}

function table(findings: readonly Finding[]): string {
  const rows = findings.map(({ capability, state, version, detail, fix }) => [
    capability,
    state,
    [version, detail].filter(Boolean).join("  "),
    fix ?? "",
  ]);
  return alignColumns([["CAPABILITY", "STATE", "VERSION OR DETAIL", "HOW TO GET IT"], ...rows]).join("\n");
}

function publicPart({ capability, state, version, detail, fix }: Finding): Capability {
  return { capability, state, version, detail, fix };
}
