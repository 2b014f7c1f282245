import { findInPath } from "../code/programs.ts";
import { RUN_ID_VARIABLE } from "../process/process-group.ts";
import type { RunTable } from "../runs.ts";

export interface ToolResult {
  readonly ok: boolean;
  /** What it printed, on both streams; for people. */
  readonly text: string;
}

const TIMEOUT_MS = 10_000;
const MOST_TEXT_BYTES = 4096;
const STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * System tools by name. They work with the daemon's rights, so they are looked for where whoever started the daemon
 * said, and never in the PATH of the sandbox's variables, which clients may set.
 */
export class Tools {
  readonly #runs: RunTable;
  readonly #path: string;

  constructor(runs: RunTable, path: string | undefined) {
    this.#runs = runs;
    this.#path = path ?? STANDARD_PATH;
  }

  /** Its absolute path; the name itself where it is not there, which then cannot be started. */
  find(name: string): string {
    if (name.startsWith("/")) return name;
    return findInPath([name], this.#path, undefined) ?? `/nonexistent/${name}`;
  }

  /** Runs a tool to its end. */
  run(name: string, ...args: readonly string[]): Promise<ToolResult> {
    return runTool(this.#runs, [this.find(name), ...args]);
  }
}

async function runTool(runs: RunTable, argv: readonly [string, ...string[]]): Promise<ToolResult> {
  await using run = await runs.startService((id) =>
    Promise.resolve({
      argv,
      cwd: "/",
      env: { PATH: STANDARD_PATH, [RUN_ID_VARIABLE]: id },
      limits: {},
      timeoutMs: TIMEOUT_MS,
    }),
  );
  const { end } = await run.outcome;
  const tail = async (stream: "stdout" | "stderr") =>
    Buffer.from((await run.journal.tail(stream, MOST_TEXT_BYTES)).bytes).toString();
  const printed = `${await tail("stdout")}${await tail("stderr")}`.trim();
  const text = end.cause === "could_not_start" ? end.message : printed;
  return { ok: end.cause === "exited" && end.code === 0, text };
}
