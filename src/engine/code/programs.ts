import { realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { RunUser } from "../user.ts";

const EXECUTE = 0o1;

/**
 * The first of `names` in a PATH that `user` may execute; undefined when there is none. Started as root, the
 * daemon itself could execute programs that the user of the runs cannot even see.
 */
export function findInPath(
  names: readonly string[],
  path: string,
  user: RunUser | undefined,
): string | undefined {
  for (const name of names) {
    if (user === undefined || name.includes("/")) {
      const found = Bun.which(name, { PATH: path });
      if (found !== null) return found;
      continue;
    }
    const found = path.split(":").map((directory) => join(directory || ".", name));
    const usable = found.find((file) => mayExecute(file, user));
    if (usable !== undefined) return usable;
  }
  return undefined;
}

/** Whether the permission bits let a user execute a file, by its path and by where links lead. */
function mayExecute(file: string, user: RunUser): boolean {
  try {
    const real = realpathSync(file);
    const way = [file, real].flatMap(ancestors);
    return statSync(real).isFile() && [real, ...way].every((path) => hasBit(path, user));
  } catch {
    return false;
  }
}

function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...ancestors(parent)];
}

function hasBit(path: string, user: RunUser): boolean {
  const { mode, uid, gid } = statSync(path);
  if (user.uid === 0) return (mode & 0o111) !== 0;
  if (uid === user.uid) return (mode & (EXECUTE << 6)) !== 0;
  if (user.groups.includes(gid)) return (mode & (EXECUTE << 3)) !== 0;
  return (mode & EXECUTE) !== 0;
}
