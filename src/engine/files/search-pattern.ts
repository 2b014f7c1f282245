import { RE2JS } from "re2js";
import { EngineError } from "../error.ts";
import type { SearchQuery } from "./search-query.ts";

/**
 * A pattern as the built-in search uses it. RE2's syntax, which is the one that ripgrep has: no look-around and
 * no back references, and in return time that grows with the text only, so that no pattern can hang the daemon.
 */
export interface LinePattern {
  /** Index of the first match in a line. */
  find(line: string): number | undefined;
  /** Whether a text of many lines may have one that matches; false is certain. */
  mayOccurIn(text: string): boolean;
}

const MOST_CHARACTERS = 4096;
/** Steps for each character in the worst case. */
const MOST_INSTRUCTIONS = 1000;
/** A longer line is searched in its beginning: this bounds how long the event loop waits. */
const MOST_LINE = 32 * 1024;

/** @throws EngineError `invalid` for what is no pattern, or is too large a one. */
export function compilePattern({ pattern, isRegex, letterCase }: SearchQuery): LinePattern {
  if (pattern === "") throw invalid("it is empty");
  if (/[\n\0]/.test(pattern)) throw invalid("lines are searched one by one, and it has a line end or a NUL");
  if (pattern.length > MOST_CHARACTERS) throw invalid(`it is longer than ${MOST_CHARACTERS} characters`);
  const anyCase = letterCase === "insensitive" || (letterCase === "smart" && !/\p{Lu}/u.test(pattern));
  if (!isRegex && !anyCase) return literal(pattern);
  const source = isRegex ? pattern : RE2JS.quote(pattern);
  const flags = anyCase ? RE2JS.CASE_INSENSITIVE : 0;
  const line = compile(source, flags);
  if (line.programSize() > MOST_INSTRUCTIONS)
    throw invalid("it is too large, for example by its repetitions");
  const isPlain = !/\\[Az]|\(\?/.test(source);
  const text = compile(source, flags | RE2JS.MULTILINE);
  return {
    find: (given) => {
      const searched = given.slice(0, MOST_LINE);
      if (!line.test(searched)) return undefined;
      const matcher = line.matcher(searched);
      return matcher.find() ? matcher.start() : undefined;
    },
    // What looks at the ends of the text, or at a CR before an LF, means other places there than in a line.
    mayOccurIn: (given) => !isPlain || given.includes("\r") || text.test(given),
  };
}

function literal(pattern: string): LinePattern {
  return {
    find: (line) => {
      const index = line.indexOf(pattern);
      return index < 0 ? undefined : index;
    },
    mayOccurIn: (text) => text.includes(pattern),
  };
}

function compile(source: string, flags: number): RE2JS {
  try {
    return RE2JS.compile(source, flags);
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error));
  }
}

function invalid(reason: string): EngineError {
  return new EngineError("invalid", `Cannot search for this pattern: ${reason}`);
}
