import type { FileHandle } from "node:fs/promises";
import type { Dirent } from "node:fs";
import { GlobRules } from "./glob-rules.ts";
import type { HeldDirectory } from "./held-directory.ts";
import { searchLines } from "./search-lines.ts";
import type { SearchMatches } from "./search-matches.ts";
import type { LinePattern } from "./search-pattern.ts";
import type { SearchQuery } from "./search-query.ts";

/** What every step of one search needs. */
export interface BuiltinSearch {
  readonly query: SearchQuery;
  readonly pattern: LinePattern;
  readonly matches: SearchMatches;
  /** The real path of the directory that is searched. */
  readonly root: string;
  /** The name of the one file in it that is searched; undefined: all. */
  readonly only: string | undefined;
  /** Whether a directory with this real path may be entered. */
  readonly mayEnter: (path: string) => boolean;
  /** Aborted when there is no time left or nobody waits any more. */
  readonly signal: AbortSignal;
}

/** Rules of one .gitignore and the directory, relative to the root, that they count from. */
interface IgnoreFile {
  readonly base: string;
  readonly rules: GlobRules;
}

/** Each level holds a descriptor. */
const MOST_DEPTH = 256;
const MOST_IGNORE_BYTES = 2 ** 20;

/** Searches with what every machine has; tells how many files it opened. Links are never followed. */
export async function searchBuiltin(search: BuiltinSearch, root: HeldDirectory): Promise<number> {
  if (search.only !== undefined) return searchFile(search, root, search.only, search.only);
  const overrides = new GlobRules([
    ...search.query.include,
    ...search.query.exclude.map((glob) => `!${glob}`),
  ]);
  const walk = async (
    directory: HeldDirectory,
    base: string,
    outer: readonly IgnoreFile[],
  ): Promise<number> => {
    const ignores = await withIgnoreFile(search.query, directory, base, outer);
    let searched = 0;
    for (const entry of await directory.entries()) {
      if (search.signal.aborted || search.matches.cut !== undefined) break;
      const path = base === "" ? entry.name : `${base}/${entry.name}`;
      if (!isWanted(search.query, overrides, ignores, path, entry)) continue;
      if (entry.isFile()) searched += await searchFile(search, directory, path, entry.name);
      else if (entry.isDirectory() && path.split("/").length < MOST_DEPTH)
        searched += await enter(search, directory, path, entry.name, (child) => walk(child, path, ignores));
    }
    return searched;
  };
  return walk(root, "", []);
}

async function enter(
  search: BuiltinSearch,
  parent: HeldDirectory,
  path: string,
  name: string,
  visit: (child: HeldDirectory) => Promise<number>,
): Promise<number> {
  if (!search.mayEnter(join(search.root, path))) return 0;
  let child: HeldDirectory;
  try {
    child = await parent.directory(name);
  } catch {
    // Gone, replaced or not readable since it was listed: it is passed over, as ripgrep does.
    return 0;
  }
  await using held = child;
  return await visit(held);
}

async function searchFile(
  search: BuiltinSearch,
  directory: HeldDirectory,
  path: string,
  name: string,
): Promise<number> {
  let file: FileHandle;
  try {
    file = await directory.file(name);
  } catch {
    // As for directories.
    return 0;
  }
  try {
    if (!(await file.stat()).isFile()) return 0;
    search.matches.beginFile(join(search.root, path));
    const isText = await searchLines(file, search);
    if (isText) search.matches.endFile();
    else search.matches.dropFile();
    return 1;
  } finally {
    await file.close();
  }
}

/** The order of ripgrep: the query's globs, then .gitignore from the nearest outwards, then hidden names. */
function isWanted(
  { include, hidden }: SearchQuery,
  overrides: GlobRules,
  ignores: readonly IgnoreFile[],
  path: string,
  entry: Dirent,
): boolean {
  const isDirectory = entry.isDirectory();
  const chosen = overrides.matches(path, isDirectory);
  if (chosen !== undefined) return chosen;
  if (include.length > 0 && !isDirectory) return false;
  for (const { base, rules } of ignores.toReversed()) {
    const isIgnored = rules.matches(base === "" ? path : path.slice(base.length + 1), isDirectory);
    if (isIgnored !== undefined) return !isIgnored;
  }
  return hidden || !entry.name.startsWith(".");
}

async function withIgnoreFile(
  { ignored }: SearchQuery,
  directory: HeldDirectory,
  base: string,
  outer: readonly IgnoreFile[],
): Promise<readonly IgnoreFile[]> {
  if (ignored) return outer;
  try {
    const file = await directory.file(".gitignore");
    try {
      const stats = await file.stat();
      if (!stats.isFile() || stats.size > MOST_IGNORE_BYTES) return outer;
      return [...outer, { base, rules: new GlobRules((await file.readFile("utf8")).split("\n")) }];
    } finally {
      await file.close();
    }
  } catch {
    // None there, or none that may be read.
    return outer;
  }
}

function join(root: string, path: string): string {
  return root === "/" ? `/${path}` : `${root}/${path}`;
}
