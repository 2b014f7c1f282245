import { openCgroupContainment } from "./cgroup.ts";
import type { Containment } from "./containment.ts";
import { openProcessGroupContainment } from "./process-group.ts";

/** The best that this machine offers (`auto`), or what is wanted. What a killed daemon left running ends here. */
export function openContainment(wanted: "auto" | "process_group"): Containment {
  const cgroup = wanted === "auto" ? openCgroupContainment({ endStale: true }) : undefined;
  return cgroup ?? openProcessGroupContainment();
}
