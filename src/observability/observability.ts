import type { Engine } from "../engine/engine.ts";
import type { RequestRecord } from "../http/api.ts";
import type { TelemetrySettings } from "../lib/telemetry-settings.ts";
import type { Sampler } from "../lib/trace-context.ts";
import { entryOf } from "../engine/timeline/action.ts";
import { engineFamilies, sandboxFamilies } from "./engine-metrics.ts";
import { gauge, type Family } from "./instruments.ts";
import { OwnMetrics } from "./own-metrics.ts";
import { toPrometheus, type Exposition } from "./prometheus.ts";
import { RequestMetrics } from "./request-metrics.ts";
import { RunMetrics } from "./run-metrics.ts";
import { samplerOf } from "./sampling.ts";
import { requestSpan, runSpan } from "./spans.ts";
import { startTelemetry, type Telemetry } from "./telemetry.ts";

export interface ObservabilityOptions {
  readonly engine: Engine;
  readonly version: string;
  /** Of the resource that traces and metrics are about. */
  readonly sandboxId: string;
  /** Undefined: nothing is exported. */
  readonly telemetry: TelemetrySettings | undefined;
  /** WebSockets and event streams that are open just now. */
  readonly streams: () => Readonly<Record<string, number>>;
  readonly onNotice: (notice: string, details?: Readonly<Record<string, unknown>>) => void;
}

const UNTRACED = new Set([
  "/health",
  "/healthz",
  "/readyz",
  "/ping",
  "/metrics/snapshot",
  "/metrics/prometheus",
]);

/** Sees what happens, and tells those who ask or collect. The engine knows nothing of it. */
export class Observability implements AsyncDisposable {
  readonly #options: ObservabilityOptions;
  readonly #requests = new RequestMetrics();
  readonly #runs: RunMetrics;
  readonly #own: OwnMetrics;
  #telemetry: Promise<Telemetry | undefined> | undefined;

  constructor(options: ObservabilityOptions) {
    this.#options = options;
    this.#runs = new RunMetrics(options.engine.activity);
    this.#own = new OwnMetrics(options.version);
    if (options.telemetry !== undefined) this.#startTelemetry(options.telemetry);
  }

  /** Counts an answered request, and records what it did. */
  request(record: RequestRecord): void {
    this.#requests.add(record);
    this.#tell(record);
    const { action, startedAt, ms, status, origin, facts } = record;
    // What an idempotency key has answered before was done before.
    if (action !== undefined && !("replayed" in facts))
      this.#options.engine.timeline.record(entryOf({ ...action, startedAt, durationMs: ms, status, origin }));
  }

  /** Undefined where nothing is traced. */
  get sampler(): Sampler | undefined {
    const { telemetry } = this.#options;
    return telemetry?.traces && samplerOf(telemetry.sampling);
  }

  async prometheus(): Promise<Exposition> {
    return toPrometheus(await this.families());
  }

  /** Every metric at this moment. */
  async families(): Promise<Family[]> {
    const { engine, streams } = this.#options;
    const open = Object.entries(streams()).map(([kind, count]) => [{ kind }, count] as const);
    return [
      ...this.#requests.families(),
      gauge("sanderling_http_open_streams", "Connections that stay open", open),
      ...this.#runs.families(),
      ...engineFamilies(engine),
      ...(await sandboxFamilies(engine)),
      ...this.#own.families(),
    ];
  }

  #tell(record: RequestRecord): void {
    const { trace } = record.origin;
    // Probes and scrapes come every few seconds and say nothing.
    if (trace?.isRecorded !== true || !trace.isSampled || UNTRACED.has(record.route)) return;
    void this.#telemetry?.then((told) => told?.span(requestSpan(record, trace, told.source)));
  }

  /** In the background: the daemon works without it, and says when it cannot begin. */
  #startTelemetry(settings: TelemetrySettings): void {
    const { engine, onNotice } = this.#options;
    const source = { ...this.#options, families: () => this.families() };
    this.#telemetry = startTelemetry(settings, source).catch((cause: unknown) => {
      onNotice("telemetry cannot be exported", { cause: String(cause) });
      return undefined;
    });
    engine.activity.observe({
      ended: (run, outcome) => {
        const trace = run.origin?.trace;
        if (trace?.isRecorded !== true || !trace.isSampled) return;
        void this.#telemetry?.then((told) => told?.span(runSpan(run, outcome, trace, told.source)));
      },
    });
  }

  /** Exports what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#own[Symbol.dispose]();
    await (await this.#telemetry)?.[Symbol.asyncDispose]();
  }
}
