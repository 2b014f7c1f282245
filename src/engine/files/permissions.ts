import { dirname } from "node:path";
import { EngineError } from "../error.ts";
import { makeDirectory } from "./directories.ts";
import { fileFault } from "./faults.ts";
import { findEntry } from "./list.ts";
import type { AbsolutePath, PathRules } from "./paths.ts";

/** What to change; what is undefined is left alone. */
export interface PermissionChange {
  /** Permission bits. */
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/** Linux, the same number on x64 and arm64; Node has no name for it. */
const O_PATH = 0o10000000;
/** The kernel's word for "leave alone". */
const SAME = 2 ** 32 - 1;

/**
 * Changes owner and mode of a file or directory, symbolic links followed. With the rights of the user that the
 * sandbox's files belong to, where there is one.
 * @throws EngineError `not_found`, `denied`.
 */
export async function changePermissions(
  paths: PathRules,
  path: string,
  change: PermissionChange,
): Promise<void> {
  await using entry = await paths.open(path, O_PATH, "change the permissions of");
  try {
    await applyTo(paths, entry.handle.fd, change);
  } catch (error) {
    throw fileFault(error, "change the permissions of", entry.path);
  }
}

/** As `changePermissions`, for what is open. @throws the system's error. */
export async function applyTo(
  { calls }: PathRules,
  fd: number,
  { mode, uid, gid }: PermissionChange,
): Promise<void> {
  const place = `/proc/self/fd/${fd}`;
  if (uid !== undefined || gid !== undefined) await calls.chown(place, uid ?? SAME, gid ?? SAME);
  // After the owner, because giving something away clears its set-id bits.
  if (mode !== undefined) await calls.chmod(place, mode);
}

/**
 * Makes a directory with its parents. One that is there stays as it is; of those that are made all get the owner
 * and the last the mode.
 */
export async function makeDirectoryWith(
  paths: PathRules,
  path: string,
  change: PermissionChange,
): Promise<AbsolutePath> {
  const resolved = paths.resolve(path);
  const missing = await missingLevels(paths, resolved);
  await using made = await makeDirectory(paths, path);
  await giveLevels(paths, missing, change);
  if (missing.length > 0) await changePermissions(paths, made.path, { mode: change.mode });
  return made.path;
}

/** Gives directories that were made an owner. */
export async function giveLevels(
  paths: PathRules,
  levels: readonly AbsolutePath[],
  { uid, gid }: PermissionChange,
): Promise<void> {
  if (uid === undefined && gid === undefined) return;
  for (const level of levels) await changePermissions(paths, level, { uid, gid });
}

/** The directories on the way to a path, and the path itself, that are not there; the outermost first. */
export async function missingLevels(paths: PathRules, path: AbsolutePath): Promise<readonly AbsolutePath[]> {
  const missing: AbsolutePath[] = [];
  for (let level = path; level !== "/"; level = paths.resolve(dirname(level))) {
    const found = await findEntry(paths, level);
    if (found?.type === "directory") break;
    if (found)
      throw new EngineError("invalid", `Cannot create ${path}: ${level} is there and not a directory`);
    missing.unshift(level);
  }
  return missing;
}
