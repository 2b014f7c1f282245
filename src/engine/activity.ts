import { currentOrigin, settledOrigin, type Origin } from "../lib/origin.ts";
import type { Journal } from "./process/journal.ts";
import type { Run, RunId, RunOutcome } from "./run.ts";

/** What a run is for whoever asked for it. */
export type RunKind =
  "code" | "command" | "background" | "session" | "context" | "terminal" | "isolated" | "sql" | "search";

export interface RunFacts {
  readonly kind: RunKind;
  /** Of a language table, never a client's free text. */
  readonly language?: string | undefined;
  /** Of the code or the command. */
  readonly inputBytes?: number | undefined;
}

/** A run that has been asked for, with what is known beside its output. */
export interface ObservedRun extends RunFacts {
  readonly id: RunId;
  readonly askedAt: Date;
  /** The request that it comes from; undefined for what the daemon does by itself. */
  readonly origin: Origin | undefined;
  readonly run: Pick<Run, "startedAt"> & { readonly journal: Pick<Journal, "totals" | "heldBytes"> };
}

/** Told what happens; must not throw, and must not take time: it is called while runs start and end. */
export interface RunObserver {
  started?(run: ObservedRun): void;
  ended?(run: ObservedRun, outcome: RunOutcome): void;
}

type Observable = Pick<Run, "id" | "startedAt" | "outcome"> & ObservedRun["run"];

/** Every run of the engine as it starts and ends, whatever executes it. It knows nobody who listens. */
export class Activity {
  readonly #observers = new Set<RunObserver>();
  readonly #underWay = new Set<ObservedRun>();

  /** Runs that have been asked for and have not ended. */
  get underWay(): ReadonlySet<ObservedRun> {
    return this.#underWay;
  }

  observe(observer: RunObserver): void {
    this.#observers.add(observer);
  }

  /** Tells of a run; gives it back. */
  add<R extends Observable>(run: R, facts: RunFacts): R {
    const asked = currentOrigin();
    const origin = asked && settledOrigin(asked);
    const observed = { ...facts, id: run.id, askedAt: new Date(), origin, run };
    this.#underWay.add(observed);
    for (const observer of this.#observers) observer.started?.(observed);
    void run.outcome.then((outcome) => {
      this.#underWay.delete(observed);
      for (const observer of this.#observers) observer.ended?.(observed, outcome);
    });
    return run;
  }
}
