import type { z } from "zod";
import type { RunRequest } from "../../engine/engine.ts";
import type { RunLimits } from "../../engine/process/containment.ts";
import type { ProcessRun } from "../../engine/process/process-run.ts";
import type { RunEnd, RunOutcome } from "../../engine/run.ts";
import type { Reply, RequestInfo } from "../../http/route.ts";
import type { HopxContext } from "./context.ts";
import { HopxRefusal } from "./errors.ts";
import { describeRun, timeoutText } from "./result.ts";
import type { commandRequest, limits as limitFields } from "./schema.ts";

type PlaceFields = Omit<z.output<typeof commandRequest>, "command" | "args" | "timeout">;

/** The fields that code and commands have in common, in the engine's words. */
export function toRunRequest(body: PlaceFields, timeoutSeconds: number): RunRequest {
  const { limits } = body;
  return {
    cwd: body.workdir ?? body.working_dir ?? undefined,
    env: body.env ?? undefined,
    stdin: body.stdin ?? undefined,
    timeoutMs: timeoutSeconds * 1000,
    limits: toLimits(limits),
  };
}

/** Limits as the engine takes them. */
export function toLimits(limits: z.output<typeof limitFields> | null | undefined): RunLimits {
  return {
    memoryBytes: limits?.memory_bytes,
    cpus: limits?.cpus,
    processes: limits?.processes,
    openFiles: limits?.open_files,
    outputBytes: limits?.output_bytes,
  };
}

export interface AnswerStyle {
  readonly what: "Execution" | "Command";
  /**
   * Client libraries expect 200 with `success: false` and send anything in the 500s again, which would run
   * failing code three times; the published pages say 500 for failed and 408 for timed out (14.2 to 14.5).
   */
  readonly isClientLibrary: boolean;
  readonly fields: Readonly<Record<string, unknown>>;
  /** What else the run told, once it has ended; nothing of it is kept. */
  readonly show?: ((run: ProcessRun) => Promise<object | undefined>) | undefined;
  /** Takes a run whose answer is a whole success, before what it printed is let go. */
  readonly keep?: ((run: ProcessRun, outcome: RunOutcome) => Promise<void>) | undefined;
}

/** Waits for the end of a run and answers with it. A client that goes away takes its run with it. */
export async function answerRun(
  run: ProcessRun,
  request: RequestInfo,
  { maxOutputBytes, cancelOnDisconnect }: HopxContext,
  style: AnswerStyle,
): Promise<Reply> {
  await using running = run;
  request.note({ runId: running.id });
  const outcome = await outcomeOf(run, cancelOnDisconnect ? request.signal : undefined);
  request.note({ end: outcome.end.cause, runMs: Math.round(outcome.durationMs) });
  const shown = await style.show?.(run);
  const body = { ...(await describeRun(run, outcome, maxOutputBytes)), ...shown, ...style.fields };
  if (body.success && !("truncated" in body)) await style.keep?.(run, outcome);
  return answerEnd(outcome.end, body, style);
}

/** The answer that tells how a run ended, in the status that its client expects. */
export function answerEnd(
  end: RunEnd,
  body: Readonly<Record<string, unknown>> & { readonly success: boolean },
  { what, isClientLibrary }: Pick<AnswerStyle, "what" | "isClientLibrary">,
): Reply {
  if (body.success || isClientLibrary) return { status: 200, body };
  if (end.cause !== "timed_out") return { status: 500, body };
  throw new HopxRefusal(408, "EXECUTION_TIMEOUT", timeoutText(what, end.afterMs), body);
}

async function outcomeOf(run: ProcessRun, client: AbortSignal | undefined): Promise<RunOutcome> {
  const leave = () => void run.cancel("client_gone");
  if (client?.aborted) leave();
  client?.addEventListener("abort", leave, { once: true });
  try {
    return await run.outcome;
  } finally {
    client?.removeEventListener("abort", leave);
  }
}
