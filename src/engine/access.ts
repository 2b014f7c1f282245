import { realpathSync, statSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import type { RunUser } from "./user.ts";

/**
 * What another user may do, by the permission bits: the daemon itself, as root, may do everything, and must not
 * lend that to the runs.
 */

const EXECUTE = 0o1;

/** Whether a user may execute a file, by its path and by where links lead. */
export function mayExecute(file: string, user: RunUser): boolean {
  try {
    const real = realpathSync(file);
    return statSync(real).isFile() && hasBit(real, user) && mayReach(file, real, user);
  } catch {
    return false;
  }
}

/** Whether a user may make a directory their working directory. */
export function mayEnter(directory: string, user: RunUser): boolean {
  try {
    const real = realpathSync(directory);
    return statSync(real).isDirectory() && hasBit(real, user) && mayReach(directory, real, user);
  } catch {
    return false;
  }
}

function mayReach(path: string, real: string, user: RunUser): boolean {
  return [path, real].every((one) => mayPass(one, user));
}

/** Whether a user may pass through every directory above a path. */
function mayPass(path: string, user: RunUser): boolean {
  return ancestors(path).every((directory) => hasBit(directory, user));
}

function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...ancestors(parent)];
}

function hasBit(path: string, user: RunUser): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  // What is not there closes nothing.
  if (stats === undefined) return true;
  if (user.uid === 0) return (stats.mode & 0o111) !== 0;
  return grants(stats, user, EXECUTE);
}

function grants(
  { mode, uid, gid }: Pick<Stats, "mode" | "uid" | "gid">,
  user: RunUser,
  bit: number,
): boolean {
  if (user.uid === 0) return true;
  if (uid === user.uid) return (mode & (bit << 6)) !== 0;
  if (user.groups.includes(gid)) return (mode & (bit << 3)) !== 0;
  return (mode & bit) !== 0;
}
