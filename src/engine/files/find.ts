import { basename } from "node:path";
import { compileNamePattern } from "./name-pattern.ts";
import { factsOf, readFacts, type FileFacts } from "./facts.ts";
import { OwnerNames } from "./owners.ts";
import { EngineError } from "../error.ts";
import type { PathRules } from "./paths.ts";
import { atMost, walkTree } from "./tree.ts";

/** More would not be read by anybody, and has to be in memory. */
const MOST_FOUND = 200_000;

/**
 * Files, symbolic links and other things but no directories, at every depth below a path, whose name matches; a
 * path that is no directory is the one candidate.
 * @throws EngineError `invalid` for a pattern, `too_large` for more than 200,000, `not_found`, `denied`.
 */
export async function findByName(paths: PathRules, root: string, pattern: string): Promise<FileFacts[]> {
  const isWanted = compileNamePattern(pattern);
  const names = new OwnerNames();
  const facts = await readFacts(paths, root, names);
  if (facts.type !== "directory") return isWanted(basename(facts.path)) ? [facts] : [];
  return atMost(MOST_FOUND, found(), `Cannot tell everything found in ${facts.path}`);

  async function* found(): AsyncGenerator<FileFacts> {
    for await (const { name, path, stats } of walkTree(paths, root, Number.MAX_SAFE_INTEGER))
      if (!stats.isDirectory() && isWanted(name)) yield factsOf(path, stats, names);
  }
}

/**
 * What is in a directory, down to a depth, symbolic links told but not followed.
 * @throws EngineError `invalid` when it is a link or no directory, `too_large` for more than 200,000 entries.
 */
export async function listFacts(paths: PathRules, root: string, depth: number): Promise<FileFacts[]> {
  const names = new OwnerNames();
  const { path, type } = await readFacts(paths, root, names);
  if (type === "symlink")
    throw new EngineError("invalid", `Cannot list ${path}: path is a symbolic link, refusing to traverse`);
  if (type !== "directory") throw new EngineError("invalid", `Cannot list ${path}: it is not a directory`);
  if (depth === 0) return [];
  return atMost(MOST_FOUND, entries(), `Cannot list ${path} in one answer`);

  async function* entries(): AsyncGenerator<FileFacts> {
    for await (const entry of walkTree(paths, root, depth)) yield factsOf(entry.path, entry.stats, names);
  }
}
