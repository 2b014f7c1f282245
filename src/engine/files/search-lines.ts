import type { FileHandle } from "node:fs/promises";
import { columnAt } from "./search-matches.ts";
import type { BuiltinSearch } from "./search-builtin.ts";

const READ_BYTES = 32 * 1024;
/** Of a line that is longer, only the beginning is kept. */
const MOST_LINE_BYTES = 2 ** 20;

/** Tells the lines of one file; false when it has a NUL byte and so is no text. */
export async function searchLines(file: FileHandle, search: BuiltinSearch): Promise<boolean> {
  const lines = new LineFeed(search);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const buffer = new Uint8Array(READ_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, READ_BYTES, null);
    const bytes = buffer.subarray(0, bytesRead);
    if (bytes.includes(0)) return false;
    if (bytesRead === 0) {
      lines.end(decoder.decode());
      return true;
    }
    lines.push(decoder.decode(bytes, { stream: true }));
    if (search.signal.aborted || search.matches.cut !== undefined) return true;
    // The next read is a turn of the event loop, so others are served between two blocks.
  }
}

/** Cuts text into lines and tells those that match, and the ones near them. */
class LineFeed {
  readonly #search: BuiltinSearch;
  #number = 0;
  #rest = "";
  /** Lines after the last match that are still to be told. */
  #after = 0;
  /** The last lines that were not told, for the next match. */
  #before: string[] = [];

  constructor(search: BuiltinSearch) {
    this.#search = search;
  }

  push(text: string): void {
    const end = text.lastIndexOf("\n");
    if (end < 0) {
      if (this.#rest.length < MOST_LINE_BYTES) this.#rest += text;
      return;
    }
    const whole = this.#rest + text.slice(0, end);
    this.#rest = text.slice(end + 1);
    this.#block(whole);
  }

  end(text: string): void {
    const last = this.#rest + text;
    if (last !== "") this.#block(last);
  }

  #block(text: string): void {
    const lines = text.split("\n");
    const { context } = this.#search.query;
    if (this.#after === 0 && !this.#search.pattern.mayOccurIn(text)) {
      this.#number += lines.length;
      if (context > 0) this.#before = [...this.#before, ...lines.slice(-context)].slice(-context);
      return;
    }
    for (const line of lines) this.#line(line.endsWith("\r") ? line.slice(0, -1) : line);
  }

  #line(text: string): void {
    const { matches, pattern, query } = this.#search;
    const number = ++this.#number;
    const index = pattern.find(text);
    if (index !== undefined) {
      this.#before.forEach((near, at) => {
        matches.line({ number: number - this.#before.length + at, text: near, column: undefined });
      });
      matches.line({ number, text, column: columnAt(text.slice(0, index)) });
      [this.#before, this.#after] = [[], query.context];
    } else if (this.#after > 0) {
      matches.line({ number, text, column: undefined });
      this.#after--;
    } else if (query.context > 0) this.#before = [...this.#before, text].slice(-query.context);
  }
}
