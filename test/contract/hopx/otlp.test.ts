import { describe, expect, test } from "bun:test";
import { Collector } from "../../support/collector.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, string>>;
}
interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
}
interface Metric {
  readonly name: string;
  readonly unit?: string;
  readonly gauge?: object;
  readonly sum?: { readonly isMonotonic: boolean; readonly dataPoints: readonly Point[] };
  readonly histogram?: { readonly dataPoints: readonly Point[] };
}
interface Point {
  readonly attributes?: readonly Attribute[];
  readonly asDouble?: number;
  readonly count?: string;
  readonly bucketCounts?: readonly string[];
  readonly explicitBounds?: readonly number[];
}

/** Everything of one kind that has come, flattened out of its resources and scopes. */
function all<T>(collector: Collector, signal: "traces" | "metrics"): T[] {
  const [resources, scopes, items] =
    signal === "traces"
      ? ["resourceSpans", "scopeSpans", "spans"]
      : ["resourceMetrics", "scopeMetrics", "metrics"];
  const inside = (value: unknown, name: string | undefined) =>
    (value as Readonly<Record<string, unknown[] | undefined>>)[name ?? ""] ?? [];
  return collector.received
    .filter((one) => one.signal === signal)
    .flatMap(({ message }) => inside(message, resources))
    .flatMap((resource) => inside(resource, scopes))
    .flatMap((scope) => inside(scope, items)) as T[];
}

function attributesOf({ attributes = [] }: { readonly attributes?: readonly Attribute[] }) {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

/** Identifiers are bytes, which the protocol's JSON writes in base64. */
const hex = (base64: string) => Buffer.from(base64, "base64").toString("hex");

describe("OTLP", () => {
  test("carries a span for each request and run, within the client's trace, and programs continue it", async () => {
    await using collector = new Collector();
    await using daemon = await TestDaemon.start({
      env: {
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`,
        OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20told",
        OTEL_SERVICE_NAME: "the-sandbox",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=test",
      },
    });
    const headers = { traceparent: `00-${TRACE}-${PARENT}-01` };
    const { body } = await daemon.post("/commands/run", { command: "echo $TRACEPARENT" }, { headers });
    await daemon.post("/commands/run", { command: "echo $TRACEPARENT" });
    await daemon.fetch("/health");
    expect(await daemon.stop()).toBe(0);
    expect(collector.faults).toEqual([]);
    const spans = all<Span>(collector, "traces");
    const mine = spans.filter(({ traceId }) => hex(traceId) === TRACE);
    const request = mine.find(({ kind }) => kind === "SPAN_KIND_SERVER");
    const run = mine.find(({ kind }) => kind === "SPAN_KIND_INTERNAL");
    if (!request || !run) throw new Error(`spans are missing: ${JSON.stringify(spans)}`);
    expect(request.name).toBe("POST /commands/run");
    expect(hex(request.parentSpanId ?? "")).toBe(PARENT);
    expect(attributesOf(request)).toMatchObject({
      "http.route": "/commands/run",
      "http.request.method": "POST",
    });
    expect(run.parentSpanId).toBe(request.spanId);
    expect(attributesOf(run)).toMatchObject({
      "sanderling.run.id": body.run_id,
      "sanderling.run.kind": "command",
      "sanderling.run.end": "exited",
    });
    // What the program does goes below the span of its run.
    expect(body.stdout).toBe(`00-${TRACE}-${hex(run.spanId)}-01\n`);
    expect(Number(run.endTimeUnixNano)).toBeGreaterThan(Number(run.startTimeUnixNano));
    const others = spans.filter(({ traceId }) => hex(traceId) !== TRACE);
    // One for the run without a client's trace, and one for its request and for the credential of the test.
    expect(others.filter(({ name }) => name === "run command")).toHaveLength(1);
    expect(others.filter(({ name }) => name === "GET /health")).toEqual([]);
    const [first] = collector.received;
    expect(first?.headers.get("authorization")).toBe("Bearer told");
    expect(first?.headers.get("content-type")).toBe("application/x-protobuf");
    expect(JSON.stringify(first?.message)).toContain("the-sandbox");
    expect(JSON.stringify(first?.message)).toContain("deployment.environment");
    expect(collector.received.every(({ signal }) => signal === "traces")).toBe(true);
  });

  test("carries metrics, at intervals and at the end, also under the names of the reference server", async () => {
    await using collector = new Collector();
    await using daemon = await TestDaemon.start({
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
        OTEL_TRACES_EXPORTER: "none",
        OTEL_METRIC_EXPORT_INTERVAL: "300",
      },
    });
    await daemon.post("/commands/run", { command: "true" });
    await daemon.execd("/ping");
    await until(() => collector.received.length >= 2);
    const { length } = collector.received;
    expect(await daemon.stop()).toBe(0);
    expect(collector.received.length).toBeGreaterThan(length);
    expect(collector.faults).toEqual([]);
    expect(collector.received[0]?.headers.get("content-encoding")).toBe("gzip");
    const metrics = new Map(all<Metric>(collector, "metrics").map((metric) => [metric.name, metric]));
    const runs = metrics.get("sanderling.runs")?.sum;
    expect(runs?.isMonotonic).toBe(true);
    expect(runs?.dataPoints.map((point) => [attributesOf(point)["kind"], point.asDouble])).toEqual([
      ["command", 1],
    ]);
    const duration = metrics.get("sanderling.run_duration");
    expect(duration?.unit).toBe("s");
    const [point] = duration?.histogram?.dataPoints ?? [];
    expect(point?.count).toBe("1");
    expect(point?.bucketCounts).toHaveLength((point?.explicitBounds?.length ?? 0) + 1);
    const published = metrics.get("execd.http.request.duration");
    expect(published?.unit).toBe("ms");
    const routes = published?.histogram?.dataPoints.map((one) => attributesOf(one));
    expect(routes).toContainEqual({ http_method: "GET", http_route: "/ping" });
    for (const name of [
      "execd.system.cpu.usage",
      "execd.system.memory.usage_bytes",
      "execd.system.process.count",
    ])
      expect(metrics.get(name)?.gauge).toBeDefined();
    expect(metrics.get("process.resident_memory")).toMatchObject({ unit: "By" });
  });

  test("keeps to the sampler: no span of a trace that its client does not keep", async () => {
    await using collector = new Collector();
    await using daemon = await TestDaemon.start({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
    const headers = { traceparent: `00-${TRACE}-${PARENT}-00` };
    const { body } = await daemon.post("/commands/run", { command: "echo $TRACEPARENT" }, { headers });
    expect(body.stdout).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00\n$`));
    await daemon.stop();
    const ids = all<Span>(collector, "traces").map(({ traceId }) => hex(traceId));
    expect(ids).not.toContain(TRACE);
  });

  test("holds nothing up where nobody receives it", async () => {
    const gone = new Collector();
    await gone[Symbol.asyncDispose]();
    await using daemon = await TestDaemon.start({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: gone.url } });
    expect((await daemon.post("/commands/run", { command: "echo hi" })).body.stdout).toBe("hi\n");
    expect(await daemon.stop()).toBe(0);
  });
});
