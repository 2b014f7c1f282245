import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Config } from "../config/read.ts";
import { findUser, type RunUser } from "../engine/user.ts";
import { finding, required, type Finding } from "./finding.ts";
import { runTool } from "./tool.ts";

export async function workspace({ settings }: Config): Promise<Finding> {
  const path = resolve(settings.workspace);
  const user = runUser(settings.runAs);
  const problem = await writeProblem(path, user);
  if (problem === undefined) return required(finding("workspace", "ok", path));
  const fallback = join(resolve(settings.dataDir), "workspace");
  const fix = `make ${path} writable, or name another with --workspace`;
  const isUsable = !existsSync(path) && (await writeProblem(fallback, user)) === undefined;
  if (!isUsable) return required(finding("workspace", "missing", problem, { fix }));
  return required(finding("workspace", "limited", `${problem}; ${fallback} is used instead`, { fix }));
}

export async function dataDirectory({ settings }: Config): Promise<Finding> {
  const path = resolve(settings.dataDir);
  const problem = await writeProblem(path, undefined);
  if (problem === undefined) return required(finding("data directory", "ok", path));
  const fix = `make ${path} writable, or name another with --data-dir`;
  return required(finding("data directory", "missing", problem, { fix }));
}

/** Makes a directory and removes it again: rights also come from groups, lists, mounts and file systems. */
const TRY = 'made=$(mktemp -d "$0/.sanderling-XXXXXX") && rmdir "$made"';

/**
 * Why a directory cannot be written by a user; for one that is missing, why it cannot be made, which the
 * daemon does as itself.
 */
async function writeProblem(path: string, user: RunUser | undefined): Promise<string | undefined> {
  const isThere = existsSync(path);
  const asked = isThere ? path : nearestAncestor(path);
  const { succeeded } = await runTool(["sh", "-c", TRY, asked], {
    env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    user: isThere ? user : undefined,
    output: "captured",
    deadlineMs: 5000,
  });
  if (succeeded) return undefined;
  const who = isThere && user ? ` by ${user.name}` : "";
  return isThere ? `${path} cannot be written${who}` : `${path} cannot be made in ${asked}`;
}

function nearestAncestor(path: string): string {
  return existsSync(path) ? path : nearestAncestor(dirname(path));
}

/** A user who cannot be found is `runAs`'s finding. */
function runUser(wanted: string | undefined): RunUser | undefined {
  try {
    return wanted === undefined || process.getuid?.() !== 0 ? undefined : findUser(wanted);
  } catch {
    return undefined;
  }
}
