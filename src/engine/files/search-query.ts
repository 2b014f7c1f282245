/** What to look for, complete: every default is already filled in. */
export interface SearchQuery {
  /** A file or a directory, as the client named it. */
  readonly path: string;
  readonly pattern: string;
  readonly isRegex: boolean;
  /** `smart`: sensitive only when the pattern has a capital letter. */
  readonly letterCase: "sensitive" | "insensitive" | "smart";
  /** Globs as a .gitignore has them, relative to `path`; none: everything. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Lines told before and after each match. */
  readonly context: number;
  /** Whether hidden files are searched, and those that a .gitignore below `path` names. */
  readonly hidden: boolean;
  readonly ignored: boolean;
  readonly maxResults: number;
  /** Of a longer line its beginning is told. */
  readonly maxLineBytes: number;
  /** Text told in all. */
  readonly maxTextBytes: number;
  readonly timeoutMs: number;
}

export interface SearchMatch {
  readonly path: string;
  /** From 1. */
  readonly line: number;
  /** Of the first match in the line; from 1, in characters. */
  readonly column: number;
  readonly text: string;
  readonly isCut: boolean;
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** Why a search ended before it had seen everything. */
export type SearchCut = "max_results" | "max_bytes" | "timeout";

export interface SearchResult {
  /** By path and line. */
  readonly matches: readonly SearchMatch[];
  readonly cut: SearchCut | undefined;
  /** At least, when it was cut. */
  readonly filesSearched: number;
  readonly engine: "ripgrep" | "builtin";
}
