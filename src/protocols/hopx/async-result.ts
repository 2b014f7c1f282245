import type { z } from "zod";
import { describeEnd, exitCode, type RunEnd } from "../../engine/run.ts";
import type { ProcessRun } from "../../engine/process/process-run.ts";
import type { Delivery } from "../../engine/webhooks/delivery-table.ts";
import type { asyncResult, asyncState } from "./async-schema.ts";
import { describeRun } from "./result.ts";

type AsyncResult = z.output<typeof asyncResult>;

/** The body of a callback, made once: every attempt sends the same bytes. */
export async function resultBody(id: string, run: ProcessRun, maxBytes: number): Promise<string> {
  const outcome = await run.outcome;
  const result = await describeRun(run, outcome, maxBytes);
  return JSON.stringify({ ...headOf(id, outcome.end), ...result } satisfies AsyncResult);
}

/** The body for a run that was under way when the daemon was killed. */
export function lostBody(id: string): string {
  const end = { cause: "lost", message: "the daemon ended while it ran; its output is gone" } as const;
  const result: AsyncResult = {
    ...headOf(id, end),
    success: false,
    stdout: "",
    stderr: `${describeEnd(end)}\n`,
    exit_code: exitCode(end),
    execution_time: 0,
    timestamp: new Date().toISOString(),
    end: { cause: end.cause, description: describeEnd(end) },
    usage: { peak_memory_bytes: null, cpu_seconds: null, peak_processes: null, oom_kills: 0 },
  };
  return JSON.stringify(result);
}

function headOf(id: string, end: RunEnd) {
  const status = end.cause === "timed_out" ? "timeout" : exitCode(end) === 0 ? "completed" : "failed";
  return {
    execution_id: id,
    status,
    ...(status === "completed" ? {} : { error: describeEnd(end) }),
  } satisfies Partial<AsyncResult>;
}

/** What is known of an asynchronous run and of its callback; neither its headers nor its secret. */
export function describeAsync(delivery: Delivery): z.output<typeof asyncState> {
  const { id, body, state } = delivery;
  // Written by the functions above.
  const result = body === null ? undefined : (JSON.parse(body) as AsyncResult);
  return {
    execution_id: id,
    status: result?.status ?? "running",
    callback_url: delivery.url,
    created_at: new Date(delivery.createdAt).toISOString(),
    ...(result ? { result } : {}),
    delivery: {
      id: delivery.deliveryId,
      status: state === "waiting" ? "pending" : state,
      attempts: delivery.attempts,
      last_status: delivery.lastStatus,
      last_error: delivery.lastError,
      next_attempt_at: timeOf(delivery.nextAttemptAt),
      finished_at: timeOf(delivery.finishedAt),
    },
  };
}

function timeOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
