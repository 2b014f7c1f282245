import type { Journal } from "../process/journal.ts";
import type { Run, RunOutcome } from "../run.ts";

declare const brand: unique symbol;
/** Names one execution for clients; the run's id without its prefix, 32 hexadecimal digits. */
export type ExecutionName = string & { readonly [brand]: "ExecutionName" };

/** A run that can be told again: its output is kept, and how it ended. */
export interface RetoldRun extends Run {
  readonly ended: RunOutcome | undefined;
  readonly journal: Pick<Journal, "heldBytes">;
}

export interface ExecutionFacts {
  readonly kind: "command" | "background" | "session" | "code" | "query";
  /** The user's text. */
  readonly content: string;
  /** What the first event names: the execution itself, or the context or session that it is of. */
  readonly owner?: string | undefined;
  /** How long it goes on when nobody reads any more, in milliseconds; undefined: to its end. */
  readonly surviveMs?: number | undefined;
}

/** One run as clients ask about it: while it runs, and for a while after its end. */
export class Execution {
  readonly id: ExecutionName;
  readonly run: RetoldRun;
  readonly facts: ExecutionFacts;
  #readers = 0;
  #isForgotten = false;
  #abandoned: Timer | undefined;

  constructor(run: RetoldRun, facts: ExecutionFacts) {
    this.id = run.id.replace(/^run_/, "") as ExecutionName;
    this.run = run;
    this.facts = facts;
    void run.outcome.then(() => clearTimeout(this.#abandoned));
  }

  /** Undefined while it runs. */
  get finishedAt(): Date | undefined {
    const { ended, startedAt } = this.run;
    return ended && new Date(startedAt.getTime() + ended.durationMs);
  }

  /** Whether a client reads it. */
  get isAttended(): boolean {
    return this.#readers > 0;
  }

  /** Counts a client that reads it; the last one to leave decides how long it goes on. */
  attend(): Disposable {
    this.#readers++;
    clearTimeout(this.#abandoned);
    let isHere = true;
    return {
      [Symbol.dispose]: () => {
        if (isHere) this.#leave();
        isHere = false;
      },
    };
  }

  /** Frees what it printed as soon as nobody reads it. */
  forget(): void {
    this.#isForgotten = true;
    if (this.#readers === 0) void this.run[Symbol.asyncDispose]();
  }

  #leave(): void {
    if (--this.#readers > 0) return;
    if (this.#isForgotten) this.forget();
    const { surviveMs } = this.facts;
    if (surviveMs === undefined || this.run.hasEnded) return;
    const stop = () => void this.run.cancel("client_gone");
    if (surviveMs === 0) stop();
    else this.#abandoned = setTimeout(stop, surviveMs);
  }
}
