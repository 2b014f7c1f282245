import { lstat, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { EngineError } from "../error.ts";
import { inside } from "./directories.ts";
import { fileFault } from "./faults.ts";
import { isInside, type AbsolutePath, type PathRules } from "./paths.ts";

/**
 * Removes a file, a symbolic link (never what it leads to) or a directory with everything in it.
 * @throws EngineError `denied` for the workspace and what holds it, `not_found`.
 */
export async function removeEntry(paths: PathRules, path: string): Promise<AbsolutePath> {
  const resolved = paths.resolve(path);
  refuseWorkspace(paths, resolved, resolved);
  try {
    await using directory = await paths.openDirectory(dirname(resolved), "remove");
    const name = basename(resolved);
    const real = directory.realPath === "/" ? `/${name}` : `${directory.realPath}/${name}`;
    refuseWorkspace(paths, real, resolved);
    await lstat(inside(directory, name));
    await rm(inside(directory, name), { recursive: true });
    return resolved;
  } catch (error) {
    throw fileFault(error, "remove", resolved);
  }
}

function refuseWorkspace({ workspace }: PathRules, real: string, path: AbsolutePath): void {
  if (!isInside(workspace.path, real)) return;
  const what = real === workspace.path ? "it is the workspace" : "the workspace is in it";
  throw new EngineError("denied", `Cannot remove ${path}: ${what}`, { details: { path } });
}
