/** Writes the generated documents: docs/settings.md and the OpenAPI documents. With --check, says if they are stale. */
import { join } from "node:path";
import { format } from "prettier";
import { flagName, variableName } from "../src/config/read.ts";
import { SETTINGS } from "../src/config/settings.ts";
import { describeExecdApi } from "../src/protocols/execd/routes.ts";
import { describeHopxApi } from "../src/protocols/hopx/routes.ts";
import { VERSION } from "../src/version.ts";

const DOCS = join(import.meta.dir, "../docs");

function settingsPage(): string {
  const rows = SETTINGS.map((setting) => {
    const flag = `--${flagName(setting)}${setting.secret ? "-file" : ""}`;
    const variable = setting.secret
      ? `\`${variableName(setting)}\` or \`${variableName(setting)}_FILE\``
      : `\`${variableName(setting)}\``;
    return `| \`${flag}\` | ${variable} | ${setting.shown} | ${setting.help} |`;
  });
  return [
    "# Settings",
    "",
    "Made from `src/config/settings.ts` by `make docs`. A flag wins over its variable, that over the file named by",
    "`--config` (or `SANDERLING_CONFIG`; TOML or JSON, keys as the flags are called), that over the default. A variable",
    "that begins with `SANDERLING_` and is no setting is refused.",
    "",
    "| Flag | Variable | Default | Meaning |",
    "|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

// As a root user sees it; for others the default directory is in their home.
const pages = {
  "settings.md": await format(
    settingsPage().replace(/\| [^|]*\/sanderling \|/, "| /var/lib/sanderling, or in the home directory |"),
    { parser: "markdown", printWidth: 110 },
  ),
  "execd-openapi.json": await format(JSON.stringify(await describeExecdApi(VERSION)), {
    parser: "json",
    printWidth: 110,
  }),
  "hopx-openapi.json": await format(JSON.stringify(await describeHopxApi(VERSION)), {
    parser: "json",
    printWidth: 110,
  }),
};

let isStale = false;
for (const [name, text] of Object.entries(pages)) {
  const path = join(DOCS, name);
  if (
    (await Bun.file(path)
      .text()
      .catch(() => "")) === text
  )
    continue;
  isStale = true;
  if (process.argv.includes("--check")) process.stderr.write(`docs/${name} is stale: run make docs\n`);
  else await Bun.write(path, text);
}
process.exit(isStale && process.argv.includes("--check") ? 1 : 0);
