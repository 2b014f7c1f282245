import type { BigIntStats } from "node:fs";
import { lstat } from "node:fs/promises";
import { EngineError } from "../error.ts";
import { fileFault, systemCode } from "./faults.ts";
import { HeldDirectory } from "./held-directory.ts";
import type { PathRules } from "./paths.ts";

/** Something found below a directory. */
export interface TreeEntry {
  /** Its last part; invalid UTF-8 in it is U+FFFD. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  /** Of the thing itself: symbolic links are never followed. */
  readonly stats: BigIntStats;
}

/** System calls in flight at once; more only wait for each other. */
const AT_ONCE = 512;
/** Each level holds a descriptor. */
const MOST_DEPTH = 512;

/**
 * Everything below a directory, each directory before what is in it, names in the order of their bytes.
 * @param depth Levels; 1 is the directory's own entries.
 * @throws EngineError for the directory itself and for one below it that cannot be read; what vanishes while
 * it is walked is left out.
 */
export async function* walkTree(paths: PathRules, root: string, depth: number): AsyncGenerator<TreeEntry> {
  await using opened = await paths.openDirectory(root, "list");
  const place = `/proc/self/fd/${opened.handle.fd}`;
  await using directory = await HeldDirectory.open(`${place}/.`, paths.calls);
  yield* visit(directory, opened.path, Math.min(depth, MOST_DEPTH));
}

async function* visit(directory: HeldDirectory, path: string, depth: number): AsyncGenerator<TreeEntry> {
  const names = (await readNames(directory, path)).sort((a, b) => Buffer.compare(a, b));
  for (let at = 0; at < names.length; at += AT_ONCE) {
    const batch = names.slice(at, at + AT_ONCE);
    const found = await Promise.all(batch.map((name) => lookAt(directory.atBytes(name))));
    for (const [index, stats] of found.entries()) {
      const bytes = batch[index];
      if (bytes === undefined || stats === undefined) continue;
      const name = bytes.toString("utf8");
      const below = path === "/" ? `/${name}` : `${path}/${name}`;
      yield { name, path: below, stats };
      if (stats.isDirectory() && depth > 1) yield* enter(directory, bytes, below, depth - 1);
    }
  }
}

async function* enter(
  parent: HeldDirectory,
  name: Buffer,
  path: string,
  depth: number,
): AsyncGenerator<TreeEntry> {
  const child = await open(parent, name, path);
  if (child === undefined) return;
  try {
    yield* visit(child, path, depth);
  } finally {
    await child[Symbol.asyncDispose]();
  }
}

async function open(parent: HeldDirectory, name: Buffer, path: string): Promise<HeldDirectory | undefined> {
  try {
    return await HeldDirectory.open(parent.atBytes(name), parent.calls);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw fileFault(error, "list", path);
  }
}

/** Asked once with the user's rights, so that what is in it may be looked at with the daemon's, many at once. */
async function readNames(directory: HeldDirectory, path: string): Promise<Buffer[]> {
  try {
    await directory.calls.lstat(directory.at("."));
    return await directory.names();
  } catch (error) {
    throw fileFault(error, "list", path);
  }
}

async function lookAt(place: Buffer): Promise<BigIntStats | undefined> {
  try {
    return await lstat(place, { bigint: true });
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "ELOOP"].includes(systemCode(error) ?? "");
}

/** Collects, and refuses more than a caller can be given in one answer. */
export async function atMost<T>(most: number, found: AsyncIterable<T>, what: string): Promise<T[]> {
  const all: T[] = [];
  for await (const one of found) {
    if (all.length === most) throw new EngineError("too_large", `${what}: there are more than ${most}`);
    all.push(one);
  }
  return all;
}
