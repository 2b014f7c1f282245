import type { Dirent } from "node:fs";
import type { HeldDirectory } from "./held-directory.ts";

/** Something that cannot be in an archive, or could not be read. */
export interface Skipped {
  readonly path: string;
  readonly reason: "special" | "unreadable" | "name" | "too_deep";
}

/** What is done with each thing that is found. */
export interface Visitor {
  entry(parent: HeldDirectory, entry: Dirent, path: string): Promise<void>;
  skip(path: string, reason: Skipped["reason"]): void;
}

/** Each level holds a descriptor. */
const MOST_DEPTH = 256;

/** Everything below a directory, parents before their children; links are told and not followed. */
export async function walk(
  directory: HeldDirectory,
  base: string,
  visitor: Visitor,
  depth = 1,
): Promise<void> {
  for (const entry of await directory.entries()) {
    const path = base + entry.name;
    // What reading a name that is no UTF-8 gives for its bytes leads nowhere.
    if (entry.name.includes("\ufffd")) visitor.skip(path, "name");
    else if (entry.isFile() || entry.isSymbolicLink()) await visitor.entry(directory, entry, path);
    else if (!entry.isDirectory()) visitor.skip(path, "special");
    else if (depth >= MOST_DEPTH) visitor.skip(path, "too_deep");
    else await enter(directory, entry, path, visitor, depth);
  }
}

async function enter(
  parent: HeldDirectory,
  entry: Dirent,
  path: string,
  visitor: Visitor,
  depth: number,
): Promise<void> {
  let child: HeldDirectory;
  try {
    child = await parent.directory(entry.name);
  } catch {
    visitor.skip(path, "unreadable");
    return;
  }
  await using held = child;
  await visitor.entry(parent, entry, path);
  await walk(held, `${path}/`, visitor, depth + 1);
}
