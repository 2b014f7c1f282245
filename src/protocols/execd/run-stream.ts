import type { Execution } from "../../engine/executions/execution.ts";
import { eventStream, toFrame } from "../../http/event-stream.ts";
import { HttpFault } from "../../http/fault.ts";
import type { RequestInfo } from "../../http/route.ts";
import type { ExecdContext } from "./context.ts";
import { ExecdRefusal } from "./errors.ts";
import { cellError, commandError, textEvent } from "./frames.ts";
import { tellRun, type TellStyle } from "./run-events.ts";
import { readPosition, startOf, type StreamPosition } from "./stream-position.ts";

/** Names the run of a stream in the answer's headers; its path is `/command/{id}/events`. */
export const EXECUTION_HEADER = "EXECD-EXECUTION-ID";

/** Tells an execution to one more client, from a position on. */
export function streamExecution(
  execution: Execution,
  request: RequestInfo,
  from: StreamPosition = startOf(execution.id),
  headers: Readonly<Record<string, string>> = {},
): Response {
  request.note({ runId: execution.run.id });
  // What a client that reconnects by itself takes as the end of it all.
  if (from.ended) return new Response(null, { status: 204, headers: { [EXECUTION_HEADER]: execution.id } });
  const attendance = execution.attend();
  return eventStream(tellRun(execution.run, styleOf(execution), from), {
    ping: () => toFrame(textEvent("ping", "pong")),
    ended: () => attendance[Symbol.dispose](),
    headers: { [EXECUTION_HEADER]: execution.id, ...headers },
  });
}

/**
 * The stream that a request goes on with instead of running anything: one with Last-Event-ID, as clients send it
 * when they repeat a request whose answer was cut.
 * @throws ExecdRefusal 404 when that run is no longer known.
 */
export function resumed(request: RequestInfo, { engine }: ExecdContext): Response | undefined {
  const id = request.raw.headers.get("last-event-id");
  if (id === null || id === "") return undefined;
  const from = readPosition(id);
  const execution = engine.executions.get(from.run);
  if (execution) return streamExecution(execution, request, from);
  throw unknownExecution(from.run);
}

/** Where to begin a stream of this execution that was asked for by name. */
export function positionAsked(
  execution: Execution,
  request: RequestInfo,
  query: string | undefined,
): StreamPosition {
  const id = request.raw.headers.get("last-event-id") ?? query;
  if (id === undefined || id === "") return startOf(execution.id);
  const from = readPosition(id);
  if (from.run === execution.id) return from;
  throw new HttpFault("invalid_input", `Last-Event-ID is of another execution: ${from.run}`);
}

/** In the status and with the code that the reference server answers so (contracts/opensandbox-execd.md, 5.8). */
export function unknownExecution(id: string): ExecdRefusal {
  return new ExecdRefusal(404, "INVALID_REQUEST_BODY", `command not found: ${id}`);
}

function styleOf({ id, facts: { kind, owner } }: Execution): TellStyle {
  const isCell = kind === "code" || kind === "query";
  return {
    init: owner ?? id,
    text: isCell ? "verbatim" : "lines",
    errorOf: isCell ? cellError : commandError,
  };
}
