import type { ProcessRun } from "../process/process-run.ts";
import type { RunId, RunOutcome } from "../run.ts";

declare const brand: unique symbol;
/** Names one background process for clients; a second name for its run. */
export type ProcessId = string & { readonly [brand]: "ProcessId" };
export type ExecutionId = string & { readonly [brand]: "ExecutionId" };

/** What a client calls it and is shown of it. */
export interface BackgroundFacts {
  readonly name: string;
  /** For example "python"; for commands "bash", "shell" or "command". */
  readonly language: string;
  /** The command line, or the first line of the code. */
  readonly command: string;
}

/** A run that nobody waits for: it is asked about by its ids, also for a while after its end. */
export class BackgroundProcess {
  readonly id: ProcessId;
  readonly executionId: ExecutionId;
  readonly run: ProcessRun;
  readonly facts: BackgroundFacts;

  constructor(run: ProcessRun, facts: BackgroundFacts) {
    this.id = named("proc", run.id) as ProcessId;
    this.executionId = named("exec", run.id) as ExecutionId;
    this.run = run;
    this.facts = facts;
  }

  get outcome(): RunOutcome | undefined {
    return this.run.ended;
  }

  /** Undefined while it runs. */
  get endedAt(): Date | undefined {
    return this.outcome && new Date(this.run.startedAt.getTime() + this.outcome.durationMs);
  }

  isNamed(id: string): boolean {
    return id === this.id || id === this.executionId || id === this.run.id;
  }
}

/** The three names of one run differ in their first word only, so that log lines can be joined. */
function named(word: string, id: RunId): string {
  return id.replace(/^run_/, `${word}_`);
}
