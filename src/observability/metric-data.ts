import type { HrTime, ValueType } from "@opentelemetry/api";
import type {
  AggregationTemporality,
  DataPoint,
  DataPointType,
  MetricData,
} from "@opentelemetry/sdk-metrics";
import type { Family, Labels } from "./instruments.ts";

/** The enumerations of the SDK, given by whoever has loaded it. */
export interface MetricWords {
  readonly DataPointType: typeof DataPointType;
  readonly AggregationTemporality: typeof AggregationTemporality;
  readonly ValueType: typeof ValueType;
}

/** The name, unit and scale that a metric has beside its own. */
interface Published {
  readonly of: string;
  readonly name: string;
  readonly unit: string;
  readonly scale: number;
  /** Only series with these labels. */
  readonly only: Labels;
  /** Labels by the names that they are published under; others are left out. */
  readonly labels: Labels;
}

/** What the reference server of the Execution API exports and means the same here (its telemetry package). */
const PUBLISHED: readonly Published[] = [
  {
    of: "sanderling_http_request_duration_seconds",
    name: "execd.http.request.duration",
    unit: "ms",
    scale: 1000,
    only: { api: "execd" },
    labels: { method: "http_method", route: "http_route" },
  },
  {
    of: "sanderling_run_duration_seconds",
    name: "execd.execution.duration",
    unit: "ms",
    scale: 1000,
    only: {},
    labels: { kind: "operation" },
  },
  ...[
    ["sanderling_sandbox_processes", "execd.system.process.count", "1", 1, {}, {}] as const,
    ["sanderling_sandbox_cpu_usage_ratio", "execd.system.cpu.usage", "%", 100, {}, {}] as const,
    [
      "sanderling_sandbox_memory_bytes",
      "execd.system.memory.usage_bytes",
      "By",
      1,
      { state: "used" },
      {},
    ] as const,
    [
      "sanderling_sandbox_network_bytes_total",
      "execd.system.network.io.bytes",
      "By",
      1,
      {},
      { direction: "direction" },
    ] as const,
  ].map(([of, name, unit, scale, only, labels]) => ({ of, name, unit, scale, only, labels })),
];

/** Metrics as OpenTelemetry's exporters take them: under their own names, and under published ones. */
export function toMetricData(
  families: readonly Family[],
  { startTime, endTime }: { readonly startTime: HrTime; readonly endTime: HrTime },
  words: MetricWords,
): MetricData[] {
  const times = { startTime, endTime };
  return families.flatMap((family) => [
    one(family, named(family.name), times, words),
    ...PUBLISHED.filter(({ of }) => of === family.name).map((published) =>
      one(republish(family, published), published, times, words),
    ),
  ]);
}

/** Units stand in the name in Prometheus, and beside it here. */
function named(name: string): { readonly name: string; readonly unit: string } {
  const [, bare = name, suffix] = /^(.*?)(?:_(seconds|bytes|ratio))?(?:_total)?$/.exec(name) ?? [];
  const unit = { seconds: "s", bytes: "By" }[suffix ?? ""] ?? "1";
  return { name: bare.replace("_", "."), unit };
}

function republish(family: Family, { scale, only, labels: names }: Published): Family {
  const isMeant = (labels: Labels) => Object.entries(only).every(([name, value]) => labels[name] === value);
  const rename = (labels: Labels) =>
    Object.fromEntries(Object.entries(names).map(([from, to]) => [to, labels[from] ?? ""]));
  if (family.type !== "histogram") {
    const points = family.points
      .filter(({ labels }) => isMeant(labels))
      .map(({ labels, value }) => ({ labels: rename(labels), value: value * scale }));
    return { ...family, points };
  }
  const points = family.points
    .filter(({ labels }) => isMeant(labels))
    .map(({ labels, value }) => ({ labels: rename(labels), value: { ...value, sum: value.sum * scale } }));
  return { ...family, bounds: family.bounds.map((bound) => bound * scale), points };
}

function one(
  family: Family,
  { name, unit }: { readonly name: string; readonly unit: string },
  times: Pick<DataPoint<number>, "startTime" | "endTime">,
  { DataPointType: Type, AggregationTemporality: Temporality, ValueType }: MetricWords,
): MetricData {
  const shared = {
    descriptor: { name, unit, description: family.help, valueType: ValueType.DOUBLE },
    aggregationTemporality: Temporality.CUMULATIVE,
  };
  if (family.type === "histogram") {
    const dataPoints = family.points.map(({ labels, value: { counts, sum, count } }) => ({
      ...times,
      attributes: labels,
      value: { buckets: { boundaries: [...family.bounds], counts: [...counts] }, sum, count },
    }));
    return { ...shared, dataPointType: Type.HISTOGRAM, dataPoints };
  }
  const dataPoints = family.points.map(({ labels, value }) => ({ ...times, attributes: labels, value }));
  if (family.type === "gauge") return { ...shared, dataPointType: Type.GAUGE, dataPoints };
  return { ...shared, dataPointType: Type.SUM, dataPoints, isMonotonic: true };
}
