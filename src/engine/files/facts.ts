import type { BigIntStats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { typeOf, type EntryType } from "./entry.ts";
import { fileFault } from "./faults.ts";
import type { OwnerNames } from "./owners.ts";
import type { PathRules } from "./paths.ts";

/** What there is to say about one file, directory or other thing, with whose it is. */
export interface FileFacts {
  /** Absolute. */
  readonly path: string;
  readonly type: EntryType;
  /** Of a symbolic link: the bytes of the path in it. */
  readonly size: number;
  /** Nanoseconds since 1970: of the content, and of the inode. */
  readonly modifiedNs: bigint;
  readonly changedNs: bigint;
  /** Names, or numbers where there are none. */
  readonly owner: string;
  readonly group: string;
  /** Permission bits, set-id and sticky bits included. */
  readonly mode: number;
}

/** What is at a path itself: a symbolic link is told as one. @throws EngineError `not_found`, `denied`. */
export async function readFacts(paths: PathRules, path: string, names: OwnerNames): Promise<FileFacts> {
  const resolved = paths.resolve(path);
  try {
    // By way of the real parent, which itself may be out of bounds; a link at the end is not followed.
    const real = join(await paths.calls.realpath(dirname(resolved)), basename(resolved));
    paths.requireOrdinary(real, resolved, "look at");
    return factsOf(resolved, await paths.calls.lstat(real), names);
  } catch (error) {
    throw fileFault(error, "look at", resolved);
  }
}

export function factsOf(path: string, stats: BigIntStats, names: OwnerNames): FileFacts {
  return {
    path,
    type: typeOf(stats),
    size: Number(stats.size),
    modifiedNs: stats.mtimeNs,
    changedNs: stats.ctimeNs,
    owner: names.user(Number(stats.uid)),
    group: names.group(Number(stats.gid)),
    mode: Number(stats.mode) & 0o7777,
  };
}
