import { afterEach, expect, test } from "bun:test";
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { openCgroupContainment } from "../../src/engine/process/cgroup.ts";
import { findHierarchies, type Hierarchy } from "../../src/engine/process/cgroup-files.ts";
import { readStat } from "../../src/engine/process/proc.ts";
import { openEngine, outcome, ready } from "../support/engine.ts";

const CONTROLLERS = ["memory", "pids"];
/** Those in which every run has a cgroup. */
const HIERARCHIES = findHierarchies().filter(
  ({ version, controllers }) => version === 2 || CONTROLLERS.some((name) => controllers.has(name)),
);
const offersCgroups = await (async () => {
  await using containment = openCgroupContainment({ endStale: false });
  return containment !== undefined;
})();

const taken: string[] = [];
afterEach(() => taken.splice(0).forEach((directory) => rmdirSync(directory)));

/** As what lives on of another engine of this process, or of a test before. */
function take({ own }: Hierarchy, serial: number): void {
  const directory = join(own, `sanderling-${process.pid}-${readStat(process.pid)?.startTime ?? 0}-${serial}`);
  mkdirSync(directory);
  taken.push(directory);
}

test.skipIf(!offersCgroups)(
  "runs are kept together where the next name for their cgroups is taken",
  async () => {
    // The probe above was the first.
    for (const hierarchy of HIERARCHIES) take(hierarchy, 2);
    await using lab = await openEngine({ containment: "auto" });
    const run = await lab.program("new-session.sh", { timeoutMs: 1000 });
    const { isAlive } = await ready(run);
    expect((await outcome(run)).end).toEqual({ cause: "timed_out", afterMs: 1000 });
    expect(isAlive()).toBe(false);
  },
);
