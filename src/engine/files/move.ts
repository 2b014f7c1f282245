import { basename, dirname } from "node:path";
import { EngineError } from "../error.ts";
import { inside, makeDirectory } from "./directories.ts";
import { fileFault, systemCode } from "./faults.ts";
import type { OpenEntry, PathRules } from "./paths.ts";
import { refuseKept } from "./remove.ts";

/**
 * Gives a file, a symbolic link or a directory another path, whose parents are made. Nothing is ever replaced.
 * @throws EngineError `not_found`, `exists`, `conflict` for another file system, `invalid` for a directory that
 * should go into itself.
 */
export async function moveEntry(paths: PathRules, from: string, to: string): Promise<void> {
  const [source, target] = [paths.resolve(from), paths.resolve(to)];
  await using above = await paths.enterDirectory(dirname(source), "move");
  const real =
    above.realPath === "/" ? above.realPath + basename(source) : `${above.realPath}/${basename(source)}`;
  for (const place of [source, real]) refuseKept(paths, place, source, "move");
  const isDirectory = await describe(paths, above, source);
  await using below = await makeDirectory(paths, dirname(target));
  try {
    await rename(paths, [inside(above, basename(source)), inside(below, basename(target))], isDirectory);
  } catch (error) {
    const code = systemCode(error);
    const details = { path: target };
    if (code === "EEXIST" || code === "ENOTEMPTY")
      throw new EngineError("exists", `destination path already exists: ${target}`, {
        cause: error,
        details,
      });
    if (code === "EXDEV")
      throw new EngineError("conflict", `Cannot move ${source} to ${target}: that is another file system`, {
        cause: error,
      });
    if (code === "EINVAL")
      throw new EngineError("invalid", `Cannot move ${source} to ${target}: that is inside of it`);
    throw fileFault(error, "move", source);
  }
}

async function describe(paths: PathRules, above: OpenEntry, source: string): Promise<boolean> {
  try {
    return (await paths.calls.lstat(inside(above, basename(source)))).isDirectory();
  } catch (error) {
    throw fileFault(error, "move", source);
  }
}

/** A second name and then the loss of the first is a rename that replaces nothing; directories have one name only. */
async function rename(
  { calls }: PathRules,
  [from, to]: readonly [string, string],
  isDirectory: boolean,
): Promise<void> {
  if (!isDirectory) {
    const linked = await calls.link(from, to).then(
      () => true,
      (error: unknown) => {
        // The file system has no links, or the kernel grants none of this file.
        if (["EPERM", "EOPNOTSUPP", "EMLINK", "EACCES"].includes(systemCode(error) ?? "")) return false;
        throw error;
      },
    );
    if (linked) {
      await calls.unlink(from);
      return;
    }
  }
  if (await isThere(calls, to)) throw Object.assign(new Error("it is there"), { code: "EEXIST" });
  await calls.rename(from, to);
}

async function isThere(calls: PathRules["calls"], path: string): Promise<boolean> {
  return calls.lstat(path).then(
    () => true,
    (error: unknown) => {
      if (systemCode(error) === "ENOENT") return false;
      throw error;
    },
  );
}
