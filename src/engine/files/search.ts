import { basename, dirname, resolve } from "node:path";
import type { CommandRequest } from "../engine.ts";
import { EngineError } from "../error.ts";
import type { ProcessRun } from "../process/process-run.ts";
import { fileFault } from "./faults.ts";
import { HeldDirectory } from "./held-directory.ts";
import type { PathRules } from "./paths.ts";
import { searchBuiltin } from "./search-builtin.ts";
import { SearchMatches } from "./search-matches.ts";
import { compilePattern } from "./search-pattern.ts";
import type { SearchQuery, SearchResult } from "./search-query.ts";
import { readRipgrep, ripgrepArguments } from "./search-ripgrep.ts";

/** What a search needs of the engine. */
export interface SearchContext {
  readonly paths: PathRules;
  /** Where a program is that runs may start. */
  findProgram(name: string): string | undefined;
  startCommand(request: CommandRequest): Promise<ProcessRun>;
}

/** The directory that is searched, by its real path, and the one file in it where only that is meant. */
interface Place {
  readonly root: string;
  readonly only: string | undefined;
}

/**
 * Searches the lines of files: with ripgrep as a run where it is in the PATH of runs, else with a search of our
 * own; both find the same and tell it in the same form.
 * @param signal Aborted when nobody waits for the answer any more.
 * @throws EngineError for a path or a pattern that cannot be searched.
 */
export async function search(
  query: SearchQuery,
  context: SearchContext,
  signal: AbortSignal,
): Promise<SearchResult> {
  const pattern = compilePattern(query);
  const matches = new SearchMatches(query);
  const place = await locate(query.path, context.paths);
  const program = context.findProgram("rg");
  if (program !== undefined) {
    const filesSearched = await withRipgrep(program, query, place, matches, context, signal);
    return { matches: matches.finish(), cut: matches.cut, filesSearched, engine: "ripgrep" };
  }
  const late = AbortSignal.timeout(query.timeoutMs);
  const mayEnter = (path: string) => isOrdinary(context.paths, path);
  await using root = await HeldDirectory.open(place.root, context.paths.calls).catch((error: unknown) => {
    throw fileFault(error, "search", query.path);
  });
  const filesSearched = await searchBuiltin(
    { query, pattern, matches, ...place, mayEnter, signal: AbortSignal.any([late, signal]) },
    root,
  );
  if (late.aborted) matches.stop("timeout");
  return { matches: matches.finish(), cut: matches.cut, filesSearched, engine: "builtin" };
}

async function locate(path: string, paths: PathRules): Promise<Place> {
  await using entry = await paths.open(path, 0, "search");
  const { realPath, stats } = entry;
  if (stats.isDirectory()) return { root: realPath, only: undefined };
  return { root: dirname(realPath), only: basename(realPath) };
}

async function withRipgrep(
  program: string,
  query: SearchQuery,
  { root, only }: Place,
  matches: SearchMatches,
  context: SearchContext,
  signal: AbortSignal,
): Promise<number> {
  // Files there look regular, but are doors into the kernel.
  const guarded = root === "/" ? { ...query, exclude: [...query.exclude, "/proc", "/sys"] } : query;
  await using run = await context.startCommand({
    argv: ripgrepArguments(program, guarded, only ?? "."),
    cwd: root,
    timeoutMs: query.timeoutMs,
    kind: "search",
  });
  const leave = () => void run.cancel("client_gone");
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave, { once: true });
  try {
    return await readRipgrep(run, matches, (path) => resolve(root, path));
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

function isOrdinary(paths: PathRules, path: string): boolean {
  try {
    paths.requireOrdinary(path, paths.resolve(path), "search");
    return true;
  } catch (error) {
    if (error instanceof EngineError) return false;
    throw error;
  }
}
