import type { ExecdServer } from "./stage.ts";

/** What the command line asks for. */
export interface Options {
  readonly action: "run" | "list" | "help";
  readonly only: readonly string[];
  readonly isQuick: boolean;
  /** Undefined: as many as fit into a scenario's time. */
  readonly rounds: number | undefined;
  readonly json: string | undefined;
  readonly markdown: string | undefined;
  readonly from: string | undefined;
  readonly peer: ExecdServer | undefined;
}

/** The command line is wrong; the message says what and how. */
export class UsageError extends Error {}

export const HELP = `Usage: make bench ARGS="[OPTIONS]", or bun bench/main.ts [OPTIONS]

Measures what calls cost, each beside its floor and in turns with it. The table goes to stdout, progress to stderr.

  --list               the subjects and scenarios, and what each measures
  --only NAME...       only these, as --list calls them: "load", or "load/echo"
  --quick              few rounds and small sizes: whether it works, not how fast it is
  --rounds N           exactly N rounds of each (at least 3), however long they take
  --json FILE          everything that was measured, as JSON
  --markdown FILE      machine, targets and tables, as a page
  --from FILE          measures nothing: takes what an earlier run wrote with --json
  --peer URL           compares the Execution API with another server of it, in the same run
  --peer-token TOKEN   the peer's access token
  --help               this text

Exit codes: 0, 1 when something could not be measured, 2 for wrong arguments, 130 when stopped.`;

const FLAGS = ["--list", "--quick", "--help"] as const;
const VALUES = ["--rounds", "--json", "--markdown", "--from", "--peer", "--peer-token"] as const;
type Flag = (typeof FLAGS)[number];
type Value = (typeof VALUES)[number];

/** @throws UsageError */
export function parseArguments(argv: readonly string[]): Options {
  const { flags, values, only } = sort(argv);
  const pick = (name: Value) => values.get(name);
  if (only.length > 0 && pick("--from") !== undefined)
    throw new UsageError("--from takes everything: without --only");
  return {
    action: flags.has("--help") ? "help" : flags.has("--list") ? "list" : "run",
    only,
    isQuick: flags.has("--quick"),
    rounds: parseRounds(pick("--rounds")),
    json: pick("--json"),
    markdown: pick("--markdown"),
    from: pick("--from"),
    peer: parsePeer(pick("--peer"), pick("--peer-token")),
  };
}

function sort(argv: readonly string[]) {
  const flags = new Set<Flag>();
  const values = new Map<Value, string>();
  const only: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? "";
    const [flag, name] = [FLAGS.find((known) => known === word), VALUES.find((known) => known === word)];
    if (flag) flags.add(flag);
    else if (name) values.set(name, valueAfter(argv, i++));
    else if (word === "--only") {
      const names = wordsAfter(argv, i);
      if (names.length === 0) throw new UsageError("--only takes one name or more; --list shows them");
      only.push(...names);
      i += names.length;
    } else throw new UsageError(`there is no option ${word}; --help shows those there are`);
  }
  return { flags, values, only };
}

function wordsAfter(argv: readonly string[], at: number): readonly string[] {
  const rest = argv.slice(at + 1);
  const end = rest.findIndex((word) => word.startsWith("--"));
  return end < 0 ? rest : rest.slice(0, end);
}

function valueAfter(argv: readonly string[], at: number): string {
  const value = argv[at + 1];
  if (value === undefined || value.startsWith("--")) throw new UsageError(`${argv[at] ?? ""} takes a value`);
  return value;
}

function parseRounds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text) || Number(text) < 3)
    throw new UsageError(`--rounds takes a whole number of at least 3, not ${text}`);
  return Number(text);
}

function parsePeer(text: string | undefined, token: string | undefined): ExecdServer | undefined {
  if (text === undefined) {
    if (token !== undefined) throw new UsageError("--peer-token is of no use without --peer");
    return undefined;
  }
  if (!URL.canParse(text) || !/^https?:/.test(text))
    throw new UsageError(`--peer takes an address such as http://127.0.0.1:44772, not ${text}`);
  return { url: text.replace(/\/+$/, ""), token: token ?? "" };
}
