import { Command } from "commander";
import { VERSION } from "../version.ts";
import { print } from "./output.ts";

/** `sanderling version`: what this is and what it runs on. */
export function versionCommand(): Command {
  return new Command("version")
    .description("print the version")
    .option("--json", "print version, runtime and platform as JSON")
    .action((options: { json?: boolean }) => {
      const facts = { version: VERSION, bun: Bun.version, platform: process.platform, arch: process.arch };
      print(
        options.json === true
          ? JSON.stringify(facts)
          : `sanderling ${VERSION} (Bun ${Bun.version}, ${process.platform} ${process.arch})`,
      );
    });
}
