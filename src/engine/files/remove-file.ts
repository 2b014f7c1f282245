import { basename, dirname } from "node:path";
import { EngineError } from "../error.ts";
import { inside } from "./directories.ts";
import { fileFault } from "./faults.ts";
import type { PathRules } from "./paths.ts";
import { removeEntry } from "./remove.ts";

/**
 * Removes a file or a symbolic link, whatever that leads to; nothing there is fine.
 * @throws EngineError `invalid` for a directory, `denied`.
 */
export async function removeFile(paths: PathRules, path: string): Promise<void> {
  const resolved = paths.resolve(path);
  await unlessMissing(async () => {
    try {
      await using directory = await paths.enterDirectory(dirname(resolved), "remove");
      const place = inside(directory, basename(resolved));
      if ((await paths.calls.lstat(place)).isDirectory())
        throw new EngineError("invalid", `Cannot remove ${resolved}. path is a directory: ${resolved}`);
      await paths.calls.unlink(place);
    } catch (error) {
      throw fileFault(error, "remove", resolved);
    }
  });
}

/** Removes whatever is at a path, a directory with everything in it; nothing there is fine. */
export async function removeIfThere(paths: PathRules, path: string): Promise<void> {
  await unlessMissing(() => removeEntry(paths, path));
}

async function unlessMissing(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== "not_found") throw error;
  }
}
