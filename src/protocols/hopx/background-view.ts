import type { BackgroundProcess } from "../../engine/background/process.ts";
import { findProcessLoad } from "../../engine/system/process-table.ts";
import { exitCode, type RunEnd } from "../../engine/run.ts";
import { describeOutput, describeRun, describeUsage } from "./result.ts";

/** Signals by which somebody ends a program, as against those by which it dies of a fault of its own. */
const ENDING_SIGNALS: readonly string[] = ["SIGTERM", "SIGKILL", "SIGINT", "SIGHUP", "SIGQUIT"];

export type BackgroundStatus = "running" | "completed" | "failed" | "killed";

/** In the words of the published pages and both libraries (14.9): a timeout is failed. */
export function statusOf({ outcome }: BackgroundProcess): BackgroundStatus {
  if (outcome === undefined) return "running";
  const { end } = outcome;
  if (isKilled(end)) return "killed";
  return exitCode(end) === 0 ? "completed" : "failed";
}

function isKilled(end: RunEnd): boolean {
  if (end.cause === "cancelled") return end.reason !== "output_limit";
  return end.cause === "signalled" && ENDING_SIGNALS.includes(end.signal);
}

/** The answer of a route that starts one: `status` is what it is, and never `queued`, because nothing waits. */
export function describeStart(process: BackgroundProcess) {
  const run = process.run;
  const outcome = process.outcome;
  return {
    ...idsOf(process),
    name: process.facts.name,
    status: statusOf(process),
    pid: run.pid ?? null,
    start_time: run.startedAt.toISOString(),
    started_at: run.startedAt.toISOString(),
    message:
      outcome?.end.cause === "could_not_start"
        ? `Background process could not start: ${outcome.end.message}`
        : "Background process started",
  };
}

/** All that a list tells of one process: every field that any client reads (6.3), in both spellings. */
export async function describeProcess(process: BackgroundProcess, maxOutputBytes: number) {
  const run = process.run;
  const facts = process.facts;
  const endedAt = process.endedAt;
  const started = run.startedAt.toISOString();
  const ended = endedAt?.toISOString() ?? null;
  const [printed, load] = [await describeOutcome(process, maxOutputBytes), loadOf(process)];
  return {
    ...idsOf(process),
    ...facts,
    status: statusOf(process),
    pid: run.pid ?? null,
    started_at: started,
    start_time: started,
    completed_at: ended,
    end_time: ended,
    ...printed,
    output_bytes: run.journal.totals,
    output_open: !run.hasEnded || run.hasSurvivors,
    stdin: run.stdin?.state ?? "none",
    ...load,
  };
}

function idsOf({ id, executionId, run }: BackgroundProcess) {
  return { process_id: id, execution_id: executionId, run_id: run.id };
}

async function describeOutcome({ run, outcome }: BackgroundProcess, maxBytes: number) {
  if (outcome === undefined) {
    return {
      ...(await describeOutput(run, run.journal.totals, maxBytes)),
      duration: secondsSince(run.startedAt),
      execution_time: secondsSince(run.startedAt),
      exit_code: null,
      end: null,
      usage: describeUsage(run.usage),
    };
  }
  const { stdout, stderr, truncated, execution_time, exit_code, end, usage } = await describeRun(
    run,
    outcome,
    maxBytes,
  );
  const cut = truncated === undefined ? {} : { truncated };
  return { stdout, stderr, ...cut, duration: execution_time, execution_time, exit_code, end, usage };
}

/** Numbers, because a library prints them as such; 0 where nothing is known or nothing runs. */
function loadOf({ run, outcome }: BackgroundProcess) {
  const first = outcome || run.pid === undefined ? undefined : findProcessLoad(run.pid);
  const seconds = outcome ? outcome.durationMs / 1000 : secondsSince(run.startedAt);
  const cpuSeconds = run.usage.cpuSeconds ?? first?.cpuSeconds ?? 0;
  return {
    cpu_percent: seconds > 0 ? Math.round((10_000 * cpuSeconds) / seconds) / 100 : 0,
    memory_percent: first?.memoryPercent ?? 0,
    memory_bytes: first?.memoryBytes ?? 0,
  };
}

function secondsSince(date: Date): number {
  return (Date.now() - date.getTime()) / 1000;
}
