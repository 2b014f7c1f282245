import { lchownSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { RunUser } from "../engine/user.ts";
import { runTool } from "./tool.ts";

/**
 * Gives a directory with all its content to a user. A directory changes hands after what is in it: its new
 * owner could otherwise put a link where root goes on.
 */
export function giveTo(directory: string, user: RunUser): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) giveTo(path, user);
    else lchownSync(path, user.uid, user.gid);
  }
  lchownSync(directory, user.uid, user.gid);
}

/**
 * Removes a directory whose content may belong to a user who is at work in it. By rm(1), which descends by
 * open directories: by path, root could be led elsewhere through a link put there meanwhile.
 */
export async function removeTree(directory: string): Promise<void> {
  await runTool(["rm", "-rf", "--", directory], {
    env: { PATH: "/usr/bin:/bin" },
    output: "captured",
  });
}
