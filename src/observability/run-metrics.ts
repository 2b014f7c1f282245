import type { Activity, ObservedRun } from "../engine/activity.ts";
import type { RunOutcome } from "../engine/run.ts";
import { Counter, gauge, Histogram, type Family } from "./instruments.ts";

/** Seconds; runs take from a millisecond to an hour. */
const DURATIONS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600];

/** Counts runs as they start and end. */
export class RunMetrics {
  readonly #activity: Activity;
  readonly #runs = new Counter("sanderling_runs_total", "Runs that have ended, by what ended them", [
    "kind",
    "language",
    "end",
  ]);
  readonly #seconds = new Histogram(
    "sanderling_run_duration_seconds",
    "From the start of a run to its end",
    ["kind"],
    DURATIONS,
  );
  readonly #output = new Counter("sanderling_run_output_bytes_total", "What runs that have ended printed", [
    "stream",
  ]);
  readonly #cpu = new Counter("sanderling_run_cpu_seconds_total", "Processor time of runs that have ended", [
    "kind",
  ]);
  readonly #dropped = new Counter(
    "sanderling_journal_dropped_bytes_total",
    "Output that journals had to drop before the run ended, for want of room",
    [],
  );

  constructor(activity: Activity) {
    this.#activity = activity;
    this.#dropped.add({}, 0);
    activity.observe({ ended: (run, outcome) => this.#ended(run, outcome) });
  }

  families(): Family[] {
    const [active, heldBytes] = this.#underWay();
    return [
      ...[this.#runs, this.#seconds, this.#output, this.#cpu, this.#dropped].map((one) => one.family()),
      gauge("sanderling_runs_active", "Runs that have been asked for and have not ended", active),
      gauge("sanderling_journal_held_bytes", "Output that the journals of runs under way hold", heldBytes),
    ];
  }

  #ended({ kind, language, run }: ObservedRun, { end, usage, durationMs, totals }: RunOutcome): void {
    this.#runs.add({ kind, language: language ?? "none", end: end.cause });
    this.#seconds.observe({ kind }, durationMs / 1000);
    this.#output.add({ stream: "stdout" }, totals.stdout);
    this.#output.add({ stream: "stderr" }, totals.stderr);
    this.#cpu.add({ kind }, usage.cpuSeconds ?? 0);
    const { journal } = run;
    const { heldBytes } = journal;
    const carried = journal.totals.stdout + journal.totals.stderr;
    // A journal that has been closed holds nothing, and that is no loss.
    if (heldBytes > 0) this.#dropped.add({}, Math.max(0, carried - heldBytes));
  }

  #underWay(): readonly [[{ kind: string }, number][], number] {
    const counts = new Map<string, number>();
    let bytes = 0;
    for (const kind of ["code", "command"]) counts.set(kind, 0);
    for (const { kind, run } of this.#activity.underWay) {
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      bytes += run.journal.heldBytes;
    }
    return [[...counts].map(([kind, count]) => [{ kind }, count]), bytes];
  }
}
