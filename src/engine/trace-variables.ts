import { currentOrigin, type Origin } from "../lib/origin.ts";
import { formatTraceparent } from "../lib/trace-context.ts";
import type { Environment } from "./environment.ts";
import type { RunId } from "./run.ts";

/** The span of a run: the random half of its id, so that nobody has to carry both. */
export function spanOf(id: RunId): string {
  return id.slice(-16);
}

/**
 * TRACEPARENT and TRACESTATE, by which a program continues the trace of the request that it runs for
 * (OpenTelemetry's convention for environment variables); nothing outside of a trace.
 */
export function traceVariables(id: RunId, origin: Origin | undefined = currentOrigin()): Environment {
  const trace = origin?.trace;
  if (trace === undefined) return {};
  // Without a span of the daemon's own the program's parent is the client's.
  const spanId = trace.isRecorded ? spanOf(id) : trace.spanId;
  const state = trace.state === undefined ? {} : { TRACESTATE: trace.state };
  return { TRACEPARENT: formatTraceparent({ ...trace, spanId }), ...state };
}
