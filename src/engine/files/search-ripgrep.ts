import type { ProcessRun } from "../process/process-run.ts";
import type { Argv } from "../code/languages.ts";
import { EngineError } from "../error.ts";
import { describeEnd } from "../run.ts";
import { columnAt, type SearchMatches } from "./search-matches.ts";
import type { SearchQuery } from "./search-query.ts";

/** A line of ripgrep's output holds a line of the file; what is larger than this is left out. */
const MOST_MESSAGE_BYTES = 4 * 2 ** 20;
const ERROR_BYTES = 4096;

/** Bytes or, where they are no UTF-8, the same in base64. */
type Text = { readonly text: string } | { readonly bytes: string };

/** What is used of ripgrep's JSON lines (documented in its printer crate). */
type Message =
  | { readonly type: "begin"; readonly data: { readonly path: Text } }
  | { readonly type: "match" | "context"; readonly data: LineData }
  | { readonly type: "end"; readonly data: { readonly binary_offset: number | null } }
  | { readonly type: "summary"; readonly data: { readonly stats: { readonly searches: number } } };

interface LineData {
  readonly lines: Text;
  readonly line_number: number;
  readonly submatches: readonly { readonly start: number }[];
}

/**
 * The command line of a search in the directory it is started in. Only .gitignore files below it count, no
 * configuration of a user and no encoding but UTF-8, so that the built-in search finds the same.
 * @param target A name in that directory, or "." for all of it.
 */
export function ripgrepArguments(program: string, query: SearchQuery, target: string): Argv {
  const letterCase = { sensitive: "--case-sensitive", insensitive: "--ignore-case", smart: "--smart-case" };
  return [
    program,
    ..."--json --no-config --no-messages --crlf --encoding=none --no-require-git".split(" "),
    ..."--no-ignore-global --no-ignore-exclude --no-ignore-dot --no-ignore-parent".split(" "),
    letterCase[query.letterCase],
    ...(query.isRegex ? [] : ["--fixed-strings"]),
    ...(query.hidden ? ["--hidden"] : []),
    ...(query.ignored ? ["--no-ignore"] : []),
    `--context=${query.context}`,
    ...query.include.map((glob) => `--glob=${glob}`),
    ...query.exclude.map((glob) => `--glob=!${glob}`),
    `--regexp=${query.pattern}`,
    "--",
    `./${target === "." ? "" : target}`,
  ];
}

/**
 * Reads what a run of ripgrep prints until its end, or until there is enough; tells how many files it searched.
 * @param toPath Makes ripgrep's path, relative to where it runs, absolute.
 * @throws EngineError `invalid` for a pattern or glob that ripgrep refuses, `unavailable` when it did not end well.
 */
export async function readRipgrep(
  run: ProcessRun,
  matches: SearchMatches,
  toPath: (relative: string) => string,
): Promise<number> {
  let begun = 0;
  let searched: number | undefined;
  const messages = new MessageFeed(matches, (message) => {
    if (message.type === "begin") {
      begun++;
      matches.beginFile(toPath(toText(message.data.path).toString()));
    } else if (message.type === "end") {
      if (message.data.binary_offset === null) matches.endFile();
      else matches.dropFile();
    } else if (message.type === "summary") searched = message.data.stats.searches;
    else tellLine(message.data, matches);
  });
  for await (const event of run.events()) {
    if (event.type === "output" && event.stream === "stdout") messages.push(event.bytes);
    if (event.type === "dropped" && event.stream === "stdout") messages.skip();
    if (matches.cut !== undefined) void run.cancel("requested");
  }
  if (searched === undefined) await explainEnd(run, matches);
  return searched ?? begun;
}

function tellLine({ lines, line_number: number, submatches }: LineData, matches: SearchMatches): void {
  const bytes = toText(lines);
  const start = submatches[0]?.start;
  const column = start === undefined ? undefined : columnAt(bytes.subarray(0, start).toString());
  matches.line({ number, text: bytes.toString().replace(/\r?\n$/, ""), column });
}

function toText(value: Text): Buffer {
  return "text" in value ? Buffer.from(value.text) : Buffer.from(value.bytes, "base64");
}

/** ripgrep ends with a summary unless it was stopped or could not begin. */
async function explainEnd(run: ProcessRun, matches: SearchMatches): Promise<void> {
  const { end } = await run.outcome;
  if (end.cause === "timed_out") matches.stop("timeout");
  if (matches.cut !== undefined || end.cause === "cancelled") return;
  const { bytes } = await run.journal.tail("stderr", ERROR_BYTES);
  const text = Buffer.from(bytes).toString().trim();
  if (end.cause === "exited" && text !== "") throw new EngineError("invalid", `Cannot search: ${text}`);
  throw new EngineError("unavailable", `Cannot search: ripgrep ${describeEnd(end)}`);
}

/** Puts pieces of output together to messages, within a bound. */
class MessageFeed {
  readonly #matches: SearchMatches;
  readonly #tell: (message: Message) => void;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #isSkipping = false;

  constructor(matches: SearchMatches, tell: (message: Message) => void) {
    this.#matches = matches;
    this.#tell = tell;
  }

  push(bytes: Uint8Array): void {
    let from = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      this.#keep(bytes.subarray(from, end));
      this.#finish();
      from = end + 1;
    }
    this.#keep(bytes.subarray(from));
  }

  /** The rest of the message under way is lost. */
  skip(): void {
    [this.#parts, this.#bytes, this.#isSkipping] = [[], 0, true];
    this.#matches.stop("max_bytes");
  }

  #keep(bytes: Uint8Array): void {
    if (this.#isSkipping) return;
    this.#parts.push(bytes);
    this.#bytes += bytes.byteLength;
    if (this.#bytes > MOST_MESSAGE_BYTES) this.skip();
  }

  #finish(): void {
    const whole = Buffer.concat(this.#parts).toString();
    const isWhole = !this.#isSkipping && whole !== "";
    [this.#parts, this.#bytes, this.#isSkipping] = [[], 0, false];
    // Safe: this is what ripgrep documents for --json; a line that was cut does not get here.
    if (isWhole) this.#tell(JSON.parse(whole) as Message);
  }
}
