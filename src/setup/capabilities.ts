import type { Config } from "../config/read.ts";
import { dataDirectory, workspace } from "./directory-checks.ts";
import { desktop } from "./desktop-check.ts";
import type { Finding } from "./finding.ts";
import { kernels } from "./kernel-checks.ts";
import { containment, runAs, system } from "./machine-checks.ts";
import { languages, tools } from "./program-checks.ts";
import { ownPythonPackages } from "./python-check.ts";

/** Looks at everything that `sanderling doctor` tells, at once. Changes nothing that stays. */
export function examine(config: Config): Promise<Finding[]> {
  return Promise.all([
    Promise.resolve(system()),
    containment(config),
    Promise.resolve(runAs(config)),
    workspace(config),
    dataDirectory(config),
    ...languages(config),
    Promise.resolve(ownPythonPackages(config)),
    ...kernels(config),
    ...tools(config),
    Promise.resolve(desktop(config)),
  ]);
}
