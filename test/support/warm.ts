import type { LanguageId } from "../../src/engine/code/languages.ts";
import type { EngineOptions, RunRequest } from "../../src/engine/engine.ts";
import type { ProcessRun } from "../../src/engine/process/process-run.ts";
import type { RunEnd } from "../../src/engine/run.ts";
import { openEngine, outcome, until, type TestEngine } from "./engine.ts";

/** What anyone can see of a run. */
export interface Seen {
  readonly stdout: string;
  readonly stderr: string;
  readonly end: RunEnd;
}

/** Two engines: in one every program gets an interpreter of its own, in the other one that has waited. */
export class WarmAndCold implements AsyncDisposable {
  private constructor(
    readonly cold: TestEngine,
    readonly warm: TestEngine,
  ) {}

  static async open(options: Partial<EngineOptions> = {}): Promise<WarmAndCold> {
    const warm = { ...options, warmInterpreters: 2 };
    return new WarmAndCold(await openEngine(options), await openEngine(warm));
  }

  /** Runs a program both ways; gives what is seen of both, cold first. */
  both(language: LanguageId, code: string, request: RunRequest = {}): Promise<[Seen, Seen]> {
    return Promise.all([
      this.cold.code(language, code, request).then((run) => see(this.cold, run)),
      startWarm(this.warm, language, code, request).then((run) => see(this.warm, run)),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cold[Symbol.asyncDispose]();
    await this.warm[Symbol.asyncDispose]();
  }
}

/** Starts a program in an interpreter that has waited, as soon as there is one. */
export async function startWarm(
  lab: TestEngine,
  language: LanguageId,
  code: string,
  request: RunRequest = {},
): Promise<ProcessRun> {
  return until(async () => {
    const run = await lab.code(language, code, request);
    if (run.isWarm) return run;
    await run[Symbol.asyncDispose]();
    return undefined;
  });
}

/** Places and numbers that are never the same are named. */
async function see(lab: TestEngine, run: ProcessRun): Promise<Seen> {
  const { stdout, stderr, end } = await outcome(run);
  const name = (text: string) =>
    text
      .replaceAll(lab.workspace, "WORKSPACE")
      .replaceAll(lab.temporary, "TEMPORARY")
      .replace(/sanderling-[\w-]+/g, "SCRATCH")
      .replace(/run_\w+/g, "RUN")
      .replace(/0x[0-9a-f]+/g, "ADDRESS")
      // The one difference: who calls the program's first line is seen in a printed stack.
      .replace(/ *File "[^"]*runtimes.python.(main|forkserver)\.py", line \d+, in <module>\n.*\n/, "");
  return { stdout: name(stdout), stderr: name(stderr), end };
}
