import { randomBytes } from "node:crypto";

/** Where an operation stands in a distributed trace (W3C Trace Context, level 1). */
export interface TraceContext {
  /** 32 hexadecimal digits, the same for the whole trace. */
  readonly traceId: string;
  /** 16 hexadecimal digits: the operation that what comes next is a part of. */
  readonly spanId: string;
  /** Whether whoever began the trace keeps it. */
  readonly isSampled: boolean;
  /** What tracing systems add, passed on as it came. */
  readonly state: string | undefined;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** Shorter ones must be passed on (section 3.3.1.5); of a longer one nothing is. */
const MOST_STATE = 512;

/** Reads the headers of a request; undefined when they are not there or not as the standard has them. */
export function readTraceContext(headers: Headers): TraceContext | undefined {
  const header = headers.get("traceparent");
  if (header === null) return undefined;
  const [, version, traceId = "", spanId = "", flags = "", more] = TRACEPARENT.exec(header.trim()) ?? [];
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  const state = headers.get("tracestate") ?? undefined;
  const isKept = state !== undefined && state.length <= MOST_STATE && /^[\x20-\x7e]+$/.test(state);
  return { traceId, spanId, isSampled: (parseInt(flags, 16) & 1) === 1, state: isKept ? state : undefined };
}

/** The value of `traceparent`, and of the variable TRACEPARENT of programs. */
export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}

export function newTraceId(): string {
  return randomBytes(16).toString("hex");
}

export function newSpanId(): string {
  return randomBytes(8).toString("hex");
}

/** Decides whether a trace is kept. */
export type Sampler = (traceId: string, parent: TraceContext | undefined) => boolean;
