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

/** Who is told how a background process ended, although nobody waits on a connection. */
export interface Audience {
  /** What the audience knows it by. */
  readonly executionId: ExecutionId;
  /** Settles when its end has been told; until then what it printed is needed. */
  readonly told: Promise<unknown>;
}

export function newExecutionId(): ExecutionId {
  return `exec_${Bun.randomUUIDv7().replaceAll("-", "")}` as ExecutionId;
}

/** A run that no connection waits for: it is asked about by its ids, also for a while after its end. */
export class BackgroundProcess {
  readonly id: ProcessId;
  readonly executionId: ExecutionId;
  readonly run: ProcessRun;
  readonly facts: BackgroundFacts;
  /** Undefined: nobody is told its end unless they ask. */
  readonly audience: Audience | undefined;

  constructor(run: ProcessRun, facts: BackgroundFacts, audience?: Audience) {
    this.id = named("proc", run.id) as ProcessId;
    this.executionId = audience?.executionId ?? (named("exec", run.id) as ExecutionId);
    this.run = run;
    this.facts = facts;
    this.audience = audience;
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

/** The names made from a run's own differ in their first word only, so that log lines can be joined. */
function named(word: string, id: RunId): string {
  return id.replace(/^run_/, `${word}_`);
}
