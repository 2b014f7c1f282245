import { EngineError } from "../error.ts";

/** A part of a pattern: one character that passes a test, any stretch, or any stretch but those of a group. */
type Token =
  | { readonly kind: "one"; readonly accepts: (character: string) => boolean }
  | { readonly kind: "any" }
  | { readonly kind: "not"; readonly alternatives: readonly (readonly Token[])[] };

/** Braces multiply: {a,b}{c,d} is four patterns. */
const MOST_ALTERNATIVES = 1024;

/**
 * A test of whole file names: `*`, `?`, `[a-z]`, `[!x]`, `{a,b}`, `!(a|b)`, and `\` before what is meant literally.
 * The time it takes is bounded by the lengths of pattern and name, whatever stands in them.
 * @throws EngineError `invalid` for a pattern with an open bracket, brace or parenthesis.
 */
export function compileNamePattern(pattern: string): (name: string) => boolean {
  // Every directory is looked into, so what may stand before a name says nothing.
  const last = pattern.replace(/^(?:\*\*\/)+/, "");
  const alternatives = expandBraces(last).map(parse);
  return (name) => {
    const characters = Array.from(name);
    return alternatives.some((tokens) => matches(tokens, characters));
  };
}

/** Which positions in the pattern can be reached after each character: never more than it has tokens. */
function matches(tokens: readonly Token[], characters: readonly string[]): boolean {
  const groups: Group[] = [];
  let reached = new Set([0]);
  spread(tokens, characters, { reached, groups, at: 0 });
  for (const [position, character] of characters.entries()) {
    const next = new Set<number>();
    for (const index of reached) {
      const token = tokens[index];
      if (token?.kind === "any") next.add(index);
      if (token?.kind === "one" && token.accepts(character)) next.add(index + 1);
    }
    reached = next;
    spread(tokens, characters, { reached, groups, at: position + 1 });
    if (reached.size === 0 && groups.length === 0) return false;
  }
  return reached.has(tokens.length);
}

/** A `!(...)` whose stretch began at a character; where it ends is open. */
interface Group {
  readonly index: number;
  readonly start: number;
  readonly alternatives: readonly (readonly Token[])[];
}

interface Progress {
  readonly reached: Set<number>;
  readonly groups: Group[];
  readonly at: number;
}

/** Adds what can be reached without a further character, until there is no more of it. */
function spread(
  tokens: readonly Token[],
  characters: readonly string[],
  { reached, groups, at }: Progress,
): void {
  const opened = new Set<number>();
  for (let before = -1; before !== reached.size;) {
    before = reached.size;
    for (const index of reached) {
      const token = tokens[index];
      if (token?.kind === "any") reached.add(index + 1);
      if (token?.kind !== "not" || opened.has(index)) continue;
      opened.add(index);
      groups.push({ index, start: at, alternatives: token.alternatives });
    }
    for (const { index, start, alternatives } of groups) {
      if (reached.has(index + 1)) continue;
      const stretch = characters.slice(start, at);
      if (!alternatives.some((alternative) => matches(alternative, stretch))) reached.add(index + 1);
    }
  }
}

function parse(pattern: string): Token[] {
  const tokens: Token[] = [];
  const characters = Array.from(pattern);
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? "";
    if (character === "*") tokens.push({ kind: "any" });
    else if (character === "?") tokens.push({ kind: "one", accepts: () => true });
    else if (character === "[") {
      const end = endOfClass(characters, at, pattern);
      tokens.push({ kind: "one", accepts: parseClass(characters.slice(at + 1, end)) });
      at = end;
    } else if (character === "!" && characters[at + 1] === "(") {
      const end = endOfGroup(characters, at + 1, pattern);
      const inner = characters.slice(at + 2, end).join("");
      // Each level would multiply the time by the square of the name's length.
      if (inner.includes("!(")) throw invalid(pattern, "a group in a group");
      tokens.push({ kind: "not", alternatives: splitTop(inner, "|").map(parse) });
      at = end;
    } else {
      const literal = character === "\\" ? characters[++at] : character;
      if (literal === undefined) throw invalid(pattern, "a backslash at its end");
      tokens.push({ kind: "one", accepts: (given) => given === literal });
    }
  }
  return tokens;
}

function endOfClass(characters: readonly string[], start: number, pattern: string): number {
  const first = ["!", "^"].includes(characters[start + 1] ?? "") ? start + 2 : start + 1;
  for (let at = first; at < characters.length; at++) {
    if (characters[at] === "\\") at++;
    // Right at the beginning it is a character like any other.
    else if (characters[at] === "]" && at > first) return at;
  }
  throw invalid(pattern, "a [ without its ]");
}

function endOfGroup(characters: readonly string[], start: number, pattern: string): number {
  let depth = 0;
  for (let at = start; at < characters.length; at++) {
    if (characters[at] === "\\") at++;
    else if (characters[at] === "(") depth++;
    else if (characters[at] === ")" && --depth === 0) return at;
  }
  throw invalid(pattern, "a ( without its )");
}

function parseClass(characters: readonly string[]): (character: string) => boolean {
  const isNegated = characters[0] === "!" || characters[0] === "^";
  const members = isNegated ? characters.slice(1) : [...characters];
  const ranges: [string, string][] = [];
  for (let at = 0; at < members.length; at++) {
    if (members[at] === "\\") at++;
    const from = members[at] ?? "";
    const isRange = members[at + 1] === "-" && at + 2 < members.length;
    const to = isRange ? (members[(at += 2)] ?? from) : from;
    ranges.push([from, to]);
  }
  return (character) => ranges.some(([from, to]) => from <= character && character <= to) !== isNegated;
}

function expandBraces(pattern: string): string[] {
  const open = findTop(pattern, "{");
  if (open < 0) return [pattern];
  const close = closingBrace(pattern, open);
  const [before, after] = [pattern.slice(0, open), pattern.slice(close + 1)];
  const expanded = splitTop(pattern.slice(open + 1, close), ",").flatMap((choice) =>
    expandBraces(`${before}${choice}${after}`),
  );
  if (expanded.length > MOST_ALTERNATIVES) throw invalid(pattern, "too many alternatives");
  return expanded;
}

function closingBrace(pattern: string, open: number): number {
  for (let at = open, depth = 0; at < pattern.length; at++) {
    if (pattern[at] === "\\") at++;
    else if (pattern[at] === "{") depth++;
    else if (pattern[at] === "}" && --depth === 0) return at;
  }
  throw invalid(pattern, "a { without its }");
}

/** The first place of a character that is neither escaped nor in brackets; -1 for none. */
function findTop(text: string, wanted: string): number {
  for (let at = 0, inClass = false; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (inClass) inClass = text[at] !== "]";
    else if (text[at] === wanted) return at;
    else if (text[at] === "[") inClass = true;
  }
  return -1;
}

/** Splits at a character that is in no brackets, braces or parentheses. */
function splitTop(text: string, separator: string): string[] {
  const parts: string[] = [];
  let [start, depth] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? "";
    if (character === "\\") at++;
    else if ("{([".includes(character)) depth++;
    else if ("})]".includes(character)) depth--;
    else if (character === separator && depth === 0) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return [...parts, text.slice(start)];
}

function invalid(pattern: string, found: string): EngineError {
  return new EngineError(
    "invalid",
    `Cannot search for the pattern ${JSON.stringify(pattern)}: it has ${found}`,
  );
}
