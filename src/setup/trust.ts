import { realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { RunUser } from "../engine/user.ts";

/**
 * Whether a user could change what a path leads to. Root must not start such a program: code that runs as that
 * user could have put its own there.
 */
export function canBeChangedBy(path: string, user: RunUser): boolean {
  try {
    return ancestry(realpathSync(path)).some((part) => isWritableBy(part, user));
  } catch {
    return true; // What cannot be looked at is not trusted.
  }
}

function ancestry(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [path] : [path, ...ancestry(parent)];
}

function isWritableBy(path: string, user: RunUser): boolean {
  const { uid, gid, mode } = statSync(path);
  if (uid === user.uid) return true;
  // In a sticky directory (/tmp) only its owner may replace an entry.
  if ((mode & 0o1000) !== 0) return false;
  return (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && user.groups.includes(gid));
}
