import { join } from "node:path";
import { mayExecute } from "../access.ts";
import type { RunUser } from "../user.ts";

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
