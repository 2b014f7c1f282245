import type { Attributes, HrTime, SpanContext, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import type { ObservedRun } from "../engine/activity.ts";
import { exitCode, type RunOutcome } from "../engine/run.ts";
import { spanOf } from "../engine/trace-variables.ts";
import type { RequestRecord } from "../http/api.ts";
import type { RequestTrace } from "../lib/origin.ts";

/** Ends that somebody should look at; a program's own exit code is its result. */
const TROUBLE = ["timed_out", "out_of_memory", "could_not_start", "lost"];

/** What every span has, and the enumerations of the API, given by whoever has loaded it. */
export interface SpanSource {
  readonly words: { readonly SpanKind: typeof SpanKind; readonly SpanStatusCode: typeof SpanStatusCode };
  readonly resource: Resource;
  readonly scope: ReadableSpan["instrumentationScope"];
}

interface SpanFacts {
  readonly name: string;
  readonly kind: SpanKind;
  readonly trace: RequestTrace;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly startMs: number;
  readonly durationMs: number;
  readonly isTrouble: boolean;
  readonly attributes: Attributes;
}

/** The span of an answered request, in the words of OpenTelemetry's conventions for HTTP servers. */
export function requestSpan(record: RequestRecord, trace: RequestTrace, source: SpanSource): ReadableSpan {
  const { method, route, status, requestId, startedAt, ms, origin } = record;
  return toSpan(source, {
    name: `${method} ${route}`,
    kind: source.words.SpanKind.SERVER,
    trace,
    spanId: trace.spanId,
    parentSpanId: trace.parentSpanId,
    startMs: startedAt,
    durationMs: ms,
    isTrouble: status >= 500,
    attributes: {
      "http.request.method": method,
      "http.route": route,
      "http.response.status_code": status,
      "user_agent.original": origin.client,
      "client.address": origin.caller,
      "sanderling.api": origin.api,
      "sanderling.request.id": requestId,
    },
  });
}

/** The span of a run, a part of its request's. */
export function runSpan(
  { id, kind, language, run }: ObservedRun,
  { end, usage, durationMs, totals }: RunOutcome,
  trace: RequestTrace,
  source: SpanSource,
): ReadableSpan {
  return toSpan(source, {
    name: `run ${kind}`,
    kind: source.words.SpanKind.INTERNAL,
    trace,
    spanId: spanOf(id),
    parentSpanId: trace.spanId,
    startMs: run.startedAt.getTime(),
    durationMs,
    isTrouble: TROUBLE.includes(end.cause),
    attributes: {
      "sanderling.run.id": id,
      "sanderling.run.kind": kind,
      "sanderling.run.language": language,
      "sanderling.run.end": end.cause,
      "process.exit.code": exitCode(end),
      "sanderling.run.stdout.bytes": totals.stdout,
      "sanderling.run.stderr.bytes": totals.stderr,
      "sanderling.run.cpu.seconds": usage.cpuSeconds ?? undefined,
      "sanderling.run.peak_memory.bytes": usage.peakMemoryBytes ?? undefined,
    },
  });
}

function toSpan({ resource, scope, words }: SpanSource, facts: SpanFacts): ReadableSpan {
  const { name, kind, trace, spanId, parentSpanId, startMs, durationMs, isTrouble, attributes } = facts;
  const context = (id: string): SpanContext => ({
    traceId: trace.traceId,
    spanId: id,
    traceFlags: trace.isSampled ? 1 : 0,
  });
  return {
    name,
    kind,
    spanContext: () => context(spanId),
    ...(parentSpanId !== undefined && { parentSpanContext: { ...context(parentSpanId), isRemote: true } }),
    startTime: toHrTime(startMs),
    endTime: toHrTime(startMs + durationMs),
    duration: toHrTime(durationMs),
    status: { code: isTrouble ? words.SpanStatusCode.ERROR : words.SpanStatusCode.UNSET },
    attributes: Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined)),
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Seconds and nanoseconds. */
export function toHrTime(ms: number): HrTime {
  return [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)];
}
