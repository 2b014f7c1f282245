import type { Activity, ObservedRun } from "../activity.ts";
import { exitCode, type RunOutcome } from "../run.ts";
import { Store } from "../store.ts";
import type { RecordedEntry, TimelineEnd, TimelineEntry } from "./entry.ts";
import { TIMELINE_MIGRATIONS, TimelineTable, type Retention, type TimelineQuery } from "./timeline-table.ts";

export interface TimelineOptions {
  readonly path: string;
  /** A count of 0: nothing is recorded. */
  readonly retention: Retention;
  readonly onNotice: (notice: string, details?: Readonly<Record<string, unknown>>) => void;
}

/** Between something that happens and the write of it and of all that happened meanwhile; sooner for a follower. */
const FLUSH_MS = 1000;
const LIVE_FLUSH_MS = 50;
/** Entries that may wait; of more the oldest is dropped and counted, for the disk may be full for long. */
const MOST_WAITING = 5000;
/** Rows of one read of a live reader. */
const BATCH = 200;

/**
 * The record of what was done: bounded, on the disk, and told live. Runs never wait for it: entries gather in
 * memory and are written in one transaction, whose file is opened at the first of them. A crash of the machine
 * may lose the latest; one of the daemon loses a second.
 */
export class Timeline implements Disposable {
  readonly #options: TimelineOptions;
  readonly #waiting = new Map<string, TimelineEntry>();
  #store: Store | undefined;
  #table: TimelineTable | undefined;
  #timer: Timer | undefined;
  #change: PromiseWithResolvers<void> | undefined;
  #written = 0;
  #dropped = 0;
  #followers = 0;
  #isFailing = false;
  #isClosed = false;

  constructor(options: TimelineOptions) {
    this.#options = options;
  }

  /** `failing`: nothing can be written just now, and what happens is lost once too much waits. */
  get state(): "recording" | "failing" | "off" {
    if (this.#options.retention.count === 0) return "off";
    return this.#isFailing ? "failing" : "recording";
  }

  /** Entries and changes written, dropped because they could not be, and waiting. */
  get counts(): { readonly written: number; readonly dropped: number; readonly waiting: number } {
    return { written: this.#written, dropped: this.#dropped, waiting: this.#waiting.size };
  }

  /** Records every run from now on. */
  watch(activity: Activity): void {
    if (this.#options.retention.count === 0) return;
    activity.observe({
      started: (run) => this.record(describe(run)),
      ended: (run, outcome) => this.record({ ...describe(run), ...describeOutcome(run, outcome) }),
    });
  }

  /** Adds an entry, or replaces the one of the same id. */
  record(entry: TimelineEntry): void {
    if (this.#options.retention.count === 0 || this.#isClosed) return;
    this.#waiting.set(entry.id, entry);
    if (this.#waiting.size > MOST_WAITING) this.#dropOldest();
    this.#timer ??= setTimeout(() => this.#flush(), this.#followers > 0 ? LIVE_FLUSH_MS : FLUSH_MS);
  }

  /** Newest first, everything up to this moment included. @throws EngineError `unavailable`. */
  list(query: TimelineQuery): RecordedEntry[] {
    this.#flush();
    return this.#open().list(query);
  }

  /** Where a reader stands who wants only what comes. @throws EngineError `unavailable`. */
  get revision(): number {
    this.#flush();
    return this.#open().revision;
  }

  /**
   * Everything added or changed after a revision, as it comes. A slow reader reads from the disk and holds nobody
   * up; what the bounds have taken meanwhile it does not see.
   */
  async *follow(after: number, signal: AbortSignal): AsyncGenerator<readonly RecordedEntry[], void> {
    const stopped = new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true }),
    );
    this.#followers++;
    // What waits already came before the first follower.
    this.#flush();
    try {
      yield* this.#follow(after, signal, stopped);
    } finally {
      this.#followers--;
    }
  }

  async *#follow(
    after: number,
    signal: AbortSignal,
    stopped: Promise<void>,
  ): AsyncGenerator<readonly RecordedEntry[], void> {
    for (let at = after; !signal.aborted && !this.#isClosed;) {
      const change = this.#changed();
      const batch = this.#open().changes(at, BATCH);
      at = batch.at(-1)?.revision ?? at;
      if (batch.length > 0) yield batch;
      else await Promise.race([change, stopped]);
    }
  }

  /** Writes what waits. */
  [Symbol.dispose](): void {
    this.#flush();
    clearTimeout(this.#timer);
    this.#isClosed = true;
    this.#change?.resolve();
    this.#store?.[Symbol.dispose]();
  }

  #changed(): Promise<void> {
    this.#change ??= Promise.withResolvers();
    return this.#change.promise;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0 || this.#isClosed) return;
    try {
      this.#open().write(this.#waiting.values(), this.#options.retention);
    } catch (cause) {
      this.#failed(cause);
      return;
    }
    this.#isFailing = false;
    this.#written += this.#waiting.size;
    this.#waiting.clear();
    this.#change?.resolve();
    this.#change = undefined;
  }

  /** They wait for the next entry: the disk may have room again by then. */
  #failed(cause: unknown): void {
    if (!this.#isFailing)
      this.#options.onNotice("the record of what was done cannot be written", { cause: String(cause) });
    this.#isFailing = true;
  }

  #dropOldest(): void {
    const oldest = this.#waiting.keys().next().value;
    if (oldest !== undefined) this.#waiting.delete(oldest);
    this.#dropped++;
  }

  #open(): TimelineTable {
    if (this.#table) return this.#table;
    const { path, onNotice } = this.#options;
    const store = Store.open(path, onNotice, { migrations: TIMELINE_MIGRATIONS, synchronous: "NORMAL" });
    this.#store = store;
    this.#table = new TimelineTable(store);
    this.#table.endAbandoned();
    return this.#table;
  }
}

function describe({ id, kind, language, inputBytes, askedAt, origin }: ObservedRun): TimelineEntry {
  return {
    id,
    kind,
    language,
    action: "run",
    startedAt: askedAt.getTime(),
    sizes: { input: inputBytes },
    ...(origin && { origin: withoutTrace(origin), traceId: origin.trace?.traceId }),
  };
}

function describeOutcome(
  { inputBytes }: ObservedRun,
  { end, durationMs, totals }: RunOutcome,
): Pick<TimelineEntry, "end" | "durationMs" | "sizes"> {
  const told: TimelineEnd = {
    cause: end.cause,
    exitCode: exitCode(end),
    ...(end.cause === "signalled" && { signal: end.signal }),
  };
  const sizes = { input: inputBytes, stdout: totals.stdout, stderr: totals.stderr };
  return { end: told, durationMs: Math.round(durationMs * 100) / 100, sizes };
}

function withoutTrace({ api, requestId, caller, client }: NonNullable<ObservedRun["origin"]>) {
  return { api, requestId, caller, client };
}
