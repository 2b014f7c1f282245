import { join } from "node:path";
import type { Config } from "../config/read.ts";
import { ownPython } from "../config/directories.ts";
import { findLanguage } from "../engine/code/languages.ts";
import { listKernels } from "../engine/kernels/kernel-languages.ts";
import { findUser } from "../engine/user.ts";
import { runEnvironment } from "./context.ts";
import { describe, finding, type Finding } from "./finding.ts";

/** The kernel of each language, found as the daemon finds it. Started it is only by a context. */
export function kernels({ settings, inheritedEnvironment: environment }: Config): Promise<Finding>[] {
  try {
    const user = settings.runAs === undefined ? undefined : findUser(settings.runAs);
    const found = listKernels({
      env: runEnvironment({ dataDirectory: settings.dataDir, user, environment }),
      prefix: ownPython(settings.dataDir),
      user,
      programs: settings.python === undefined ? {} : { python: settings.python },
      runtime: (name) => join("runtimes", name),
      // What cannot be used is as good as missing, which is said here.
      onNotice: () => undefined,
    });
    return found.map(({ language, kind }) => Promise.resolve(kernelFinding(language, kind !== undefined)));
  } catch (error) {
    return [Promise.resolve(finding("kernels", "missing", describe(error)))];
  }
}

function kernelFinding(id: string, isThere: boolean): Finding {
  const language = findLanguage(id);
  const name = `${language?.title ?? id} contexts`;
  if (isThere) return finding(name, "ok", "code that keeps its variables");
  const parts = NEEDS[id] ?? [language?.setup ?? id];
  return finding(name, "missing", "no kernel for it", { fix: `sanderling setup ${parts.join(" ")}` });
}

/** What contexts of a language need beside the language; Node.js speaks for the shell and for Go. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  bash: ["bash", "javascript"],
  go: ["go", "javascript"],
  java: ["java", "python"],
};
