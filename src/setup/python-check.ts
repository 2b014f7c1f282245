import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config/read.ts";
import { ownPython } from "../config/directories.ts";
import { finding, type Finding } from "./finding.ts";
import { PINNED_REQUIREMENTS } from "./python.ts";
import { readStamp } from "./stamp.ts";

/** Read from the directory's names: nothing in there may be started as root. */
export function ownPythonPackages({ settings }: Config): Finding {
  const environment = ownPython(settings.dataDir);
  const name = "Python packages";
  const fix = "sanderling setup python";
  const stamp = readStamp(environment);
  if (stamp === undefined)
    return finding(name, "missing", `the product's own Python is not set up in ${environment}`, { fix });
  const installed = installedPackages(environment);
  const wanted = [...PINNED_REQUIREMENTS.matchAll(/^([\w.-]+)==/gm)].map(([, wantedName = ""]) => wantedName);
  const rows = [...new Set(wanted)].map((each) => ({ each, version: installed.get(normalize(each)) }));
  const detail = rows.map(({ each, version }) => `${each} ${version ?? "(missing)"}`).join(", ");
  const isWhole = rows.every(({ version }) => version !== undefined);
  return finding(name, isWhole ? "ok" : "limited", detail, {
    version: stamp.version,
    fix: isWhole ? null : `remove ${environment}, then: ${fix}`,
  });
}

function installedPackages(environment: string): Map<string, string> {
  const found = new Map<string, string>();
  try {
    for (const python of readdirSync(join(environment, "lib"))) {
      for (const entry of readdirSync(join(environment, "lib", python, "site-packages"))) {
        const [, name = "", version = ""] = /^(.+)-([^-]+)\.dist-info$/.exec(entry) ?? [];
        found.set(normalize(name), version);
      }
    }
  } catch {
    // A directory is missing, and so are its packages.
  }
  return found;
}

/** Names are the same whatever their case and separators (PyPA, "Package name normalization"). */
function normalize(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, "-");
}
