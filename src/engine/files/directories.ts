import { readlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { EngineError } from "../error.ts";
import { fileFault, systemCode } from "./faults.ts";
import type { AbsolutePath, OpenEntry, PathRules } from "./paths.ts";

/** How to name something in an open directory so that it stays in that very directory, like `openat`. */
export function inside({ handle }: Pick<OpenEntry, "handle">, name: string): string {
  return `/proc/self/fd/${handle.fd}/${name}`;
}

/**
 * Opens a directory, made where it is missing, its parents too.
 * @throws EngineError `invalid` when something else is in the way, `denied`.
 */
export async function makeDirectory(paths: PathRules, path: string): Promise<OpenEntry> {
  const resolved = paths.resolve(path);
  const missing: string[] = [];
  let directory = await openExisting(paths, resolved, resolved, missing);
  for (const name of missing.reverse()) {
    const above = directory;
    try {
      directory = await makeOne(paths, above, name, resolved);
    } finally {
      await above.handle.close();
    }
  }
  return directory;
}

/** The nearest ancestor that exists; the names below it go to `missing`, the last first. */
async function openExisting(
  paths: PathRules,
  path: AbsolutePath,
  wanted: AbsolutePath,
  missing: string[],
): Promise<OpenEntry> {
  try {
    return await paths.enterDirectory(path, "create");
  } catch (error) {
    const isMissing = error instanceof EngineError && error.code === "not_found";
    if (!isMissing || path === "/") throw fileFault(error, "create", wanted);
    missing.push(basename(path));
    return openExisting(paths, paths.resolve(dirname(path)), wanted, missing);
  }
}

async function makeOne(
  paths: PathRules,
  above: OpenEntry,
  name: string,
  wanted: AbsolutePath,
): Promise<OpenEntry> {
  const place = inside(above, name);
  try {
    await paths.calls.mkdir(place).catch((error: unknown) => {
      if (systemCode(error) !== "EEXIST") throw error;
    });
    const handle = await paths.calls.enter(place);
    try {
      const stats = await handle.stat({ bigint: true });
      const realPath = await readlink(`/proc/self/fd/${handle.fd}`);
      const path = paths.resolve(join(above.path, name));
      return { handle, stats, path, realPath, [Symbol.asyncDispose]: () => handle.close() };
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    throw fileFault(error, "create", wanted);
  }
}
