import type { SearchCut, SearchMatch, SearchQuery } from "./search-query.ts";

/** A line that an engine tells: one that matches has a column, one that is only near has none. */
export interface SearchLine {
  readonly number: number;
  /** Without the end of the line. */
  readonly text: string;
  readonly column: number | undefined;
}

type Bounds = Pick<SearchQuery, "context" | "maxResults" | "maxLineBytes" | "maxTextBytes">;
type Growing = SearchMatch & { readonly after: string[] };

/** Puts the lines that an engine tells together to matches with their surroundings, within the query's bounds. */
export class SearchMatches {
  readonly #bounds: Bounds;
  #done: SearchMatch[] = [];
  #path = "";
  /** Of the file under way: dropped when it turns out to be binary. */
  #file: Growing[] = [];
  #near: SearchLine[] = [];
  #bytes = 0;
  #fileBytes = 0;
  cut: SearchCut | undefined;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  beginFile(path: string): void {
    this.endFile();
    this.#path = path;
  }

  /** Lines of a file come in their order; those that nobody asked for do no harm. */
  line(line: SearchLine): void {
    if (this.cut !== undefined) return;
    const { context, maxResults, maxLineBytes } = this.#bounds;
    const first = line.number - context;
    const [text, isCut] = shorten(line.text, maxLineBytes);
    for (const match of this.#file.slice(-context - 1)) {
      if (context > 0 && match.line >= first) this.#add(text, (kept) => match.after.push(kept));
    }
    if (line.column !== undefined) {
      if (this.#done.length + this.#file.length >= maxResults) {
        this.stop("max_results");
        return;
      }
      const before = this.#near.filter(({ number }) => number >= first).map((near) => near.text);
      const { number, column } = line;
      const match = { path: this.#path, line: number, column, text, isCut, before, after: [] };
      this.#add([text, ...before].join("\n"), () => this.#file.push(match));
    }
    if (context > 0) this.#near = [...this.#near.slice(1 - context), { ...line, text }].slice(-context);
  }

  /** Told before the end of a file when its matches are worth nothing. */
  dropFile(): void {
    this.#bytes -= this.#fileBytes;
    this.#file = [];
    this.endFile();
  }

  endFile(): void {
    this.#done.push(...this.#file);
    [this.#file, this.#near, this.#fileBytes] = [[], [], 0];
  }

  stop(cut: SearchCut): void {
    this.cut ??= cut;
  }

  /** Everything found, in order. */
  finish(): SearchMatch[] {
    this.endFile();
    return this.#done.sort((one, other) =>
      one.path === other.path ? one.line - other.line : one.path < other.path ? -1 : 1,
    );
  }

  #add(text: string, keep: (text: string) => void): void {
    const bytes = Buffer.byteLength(text);
    if (this.#bytes + bytes > this.#bounds.maxTextBytes) {
      this.stop("max_bytes");
      return;
    }
    this.#bytes += bytes;
    this.#fileBytes += bytes;
    keep(text);
  }
}

function shorten(text: string, maxBytes: number): [text: string, isCut: boolean] {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return [text, false];
  const bytes = Buffer.from(text.slice(0, maxBytes));
  let end = Math.min(maxBytes, bytes.byteLength);
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return [bytes.subarray(0, end).toString(), true];
}

/** The column of a place in a line: characters, not bytes or halves of surrogate pairs; from 1. */
export function columnAt(textBefore: string): number {
  return 1 + Array.from(textBefore).length;
}
