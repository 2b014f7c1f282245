import type { Config } from "../config/read.ts";
import { findUser } from "../engine/user.ts";
import { missing } from "./desktop.ts";
import { describe, finding, type Finding } from "./finding.ts";

/** Whether there is all that the desktop routes need, and what people start on a desktop. */
export function desktop({ settings, inheritedEnvironment: environment }: Config): Finding {
  const fix = "sanderling setup desktop";
  try {
    const user = settings.runAs === undefined ? undefined : findUser(settings.runAs);
    const packages = missing({ dataDirectory: settings.dataDir, user, environment });
    return packages.length === 0
      ? finding("Desktop", "ok", "display, recorder, reader of text, elements")
      : finding("Desktop", "missing", `not installed: ${packages.join(", ")}`, { fix });
  } catch (error) {
    return finding("Desktop", "missing", describe(error), { fix });
  }
}
