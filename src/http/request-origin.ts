import type { Origin, RequestTrace } from "../lib/origin.ts";
import { newSpanId, newTraceId, readTraceContext, type Sampler } from "../lib/trace-context.ts";
import { peerOf } from "./peer.ts";

const MOST_CLIENT = 120;

interface OriginFacts {
  readonly api: string;
  readonly requestId: string;
  /** Undefined: a trace is only passed on. */
  readonly sampler: Sampler | undefined;
}

/** What later work is told of the request that it comes from. The address is looked up when somebody asks. */
export function originOf(request: Request, { api, requestId, sampler }: OriginFacts): Origin {
  return {
    api,
    requestId,
    get caller() {
      return peerOf(request);
    },
    get client() {
      return request.headers.get("user-agent")?.slice(0, MOST_CLIENT);
    },
    trace: traceOf(request.headers, sampler),
  };
}

function traceOf(headers: Headers, sampler: Sampler | undefined): RequestTrace | undefined {
  const given = readTraceContext(headers);
  if (!sampler) return given && { ...given, parentSpanId: given.spanId, isRecorded: false };
  const traceId = given?.traceId ?? newTraceId();
  const isSampled = sampler(traceId, given);
  const place = { spanId: newSpanId(), parentSpanId: given?.spanId };
  return { ...place, traceId, isSampled, state: given?.state, isRecorded: true };
}
