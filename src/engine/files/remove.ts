import { basename, dirname } from "node:path";
import { EngineError } from "../error.ts";
import { fileFault } from "./faults.ts";
import { HeldDirectory } from "./held-directory.ts";
import { isInside, type AbsolutePath, type PathRules } from "./paths.ts";
import { removeTree } from "./remove-tree.ts";

/**
 * Removes a file, a symbolic link (never what it leads to) or a directory with everything in it.
 * @throws EngineError `denied` for the workspace, the daemon's own data and what holds them, `not_found`.
 */
export async function removeEntry(paths: PathRules, path: string): Promise<AbsolutePath> {
  const resolved = paths.resolve(path);
  refuseKept(paths, resolved, resolved);
  try {
    await using directory = await paths.enterDirectory(dirname(resolved), "remove");
    const name = basename(resolved);
    const real = directory.realPath === "/" ? `/${name}` : `${directory.realPath}/${name}`;
    refuseKept(paths, real, resolved);
    await removeTree(new HeldDirectory(directory.handle, paths.calls), Buffer.from(name));
    return resolved;
  } catch (error) {
    throw fileFault(error, "remove", resolved);
  }
}

/** @throws EngineError `denied` for what must stay where it is: the workspace, the daemon's own data, what holds them. */
export function refuseKept(
  { workspace, privateDirectory }: PathRules,
  real: string,
  path: AbsolutePath,
  action = "remove",
): void {
  const refuse = (reason: string): never => {
    throw new EngineError("denied", `Cannot ${action} ${path}: ${reason}`, { details: { path } });
  };
  if (real === workspace.path) refuse("it is the workspace");
  if (isInside(workspace.path, real)) refuse("the workspace is in it");
  if (isInside(privateDirectory, real)) refuse("the daemon's own data is in it");
}
