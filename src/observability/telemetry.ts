import { arch } from "node:os";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import type { TelemetrySettings, TelemetryTarget } from "../lib/telemetry-settings.ts";
import type { Family } from "./instruments.ts";
import { toMetricData } from "./metric-data.ts";
import { toHrTime, type SpanSource } from "./spans.ts";

export interface TelemetrySource {
  readonly version: string;
  readonly sandboxId: string;
  readonly families: () => Promise<Family[]>;
}

/** Sends spans and metrics with OpenTelemetry's own exporters, within bounds: what cannot be sent is dropped. */
export interface Telemetry extends AsyncDisposable {
  readonly source: SpanSource;
  span(span: ReadableSpan): void;
}

/** Spans that may wait to be sent, and how long; the specification's defaults. */
const BATCH = { maxQueueSize: 2048, maxExportBatchSize: 512, scheduledDelayMillis: 5000 };
/** Of the last export when the daemon ends. */
const FAREWELL_MS = 2000;

/** Loads the exporters and begins. The libraries are loaded only here, so that nobody pays for them unasked. */
export async function startTelemetry(settings: TelemetrySettings, from: TelemetrySource): Promise<Telemetry> {
  const { resourceFromAttributes } = await import("@opentelemetry/resources");
  const resource = resourceFromAttributes({
    ...settings.resource,
    "service.name": settings.serviceName,
    "service.version": from.version,
    "service.instance.id": from.sandboxId,
    sandbox_id: from.sandboxId,
    "host.arch": arch(),
  });
  const words = await import("@opentelemetry/api");
  const source = { words, resource, scope: { name: "sanderling", version: from.version } };
  const [spans, metrics] = await Promise.all([
    settings.traces && openSpans(settings.traces),
    settings.metrics && openMetrics(settings.metrics, source, from),
  ]);
  return {
    source,
    span: (span) => spans?.onEnd(span),
    async [Symbol.asyncDispose]() {
      // An exporter that cannot send has said so; the daemon ends all the same.
      const sent = Promise.allSettled([spans?.shutdown(), metrics?.shutdown()]);
      const { promise: late, resolve }: PromiseWithResolvers<void> = Promise.withResolvers();
      const timer = setTimeout(resolve, FAREWELL_MS);
      await Promise.race([sent, late]);
      clearTimeout(timer);
    },
  };
}

async function openSpans(target: TelemetryTarget) {
  const { BatchSpanProcessor } = await import("@opentelemetry/sdk-trace");
  const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-proto");
  return new BatchSpanProcessor({ exporter: new OTLPTraceExporter(await exporterOptions(target)), ...BATCH });
}

async function openMetrics(
  target: NonNullable<TelemetrySettings["metrics"]>,
  { resource, scope }: SpanSource,
  { families }: TelemetrySource,
) {
  const sdk = await import("@opentelemetry/sdk-metrics");
  const { OTLPMetricExporter } = await import("@opentelemetry/exporter-metrics-otlp-proto");
  const { ValueType } = await import("@opentelemetry/api");
  const startTime = toHrTime(Date.now());
  const collect = async () => {
    const times = { startTime, endTime: toHrTime(Date.now()) };
    const metrics = toMetricData(await families(), times, { ...sdk, ValueType });
    return { resourceMetrics: { resource, scopeMetrics: [{ scope, metrics }] }, errors: [] };
  };
  const { intervalMs, timeoutMs } = target;
  const reader = new sdk.PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(await exporterOptions(target)),
    exportIntervalMillis: intervalMs,
    exportTimeoutMillis: Math.min(timeoutMs, intervalMs),
    metricProducers: [{ collect }],
  });
  return new sdk.MeterProvider({ resource, readers: [reader] });
}

async function exporterOptions({ url, headers, timeoutMs, compression }: TelemetryTarget) {
  const { CompressionAlgorithm } = await import("@opentelemetry/otlp-exporter-base");
  const chosen = compression === "gzip" ? CompressionAlgorithm.GZIP : CompressionAlgorithm.NONE;
  return { url, headers: { ...headers }, timeoutMillis: timeoutMs, compression: chosen };
}
