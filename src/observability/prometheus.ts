import type { MetricObjectWithValues, MetricValueWithName } from "prom-client";
import type { Distribution, Family, Point } from "./instruments.ts";

/** The text format of Prometheus, with the content type that goes with it. */
export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

/** Writes what was counted in Prometheus' text format. The library is loaded when somebody first asks. */
export async function toPrometheus(families: readonly Family[]): Promise<Exposition> {
  const { Counter, Gauge, Histogram, Registry } = await import("prom-client");
  /** A histogram whose counts come from elsewhere; the registry asks every metric but its own histograms so. */
  class Counted extends Gauge {
    readonly #frame: InstanceType<typeof Histogram>;

    constructor(readonly family: Extract<Family, { type: "histogram" }>) {
      super({ ...describe(family), registers: [] });
      this.#frame = new Histogram({ ...describe(family), buckets: [...family.bounds], registers: [] });
    }

    override async get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
      const values = this.family.points.flatMap((point) => valuesOf(this.family, point));
      return { ...(await this.#frame.get()), values };
    }
  }
  const registry = new Registry();
  for (const family of families) {
    if (family.type === "histogram") registry.registerMetric(new Counted(family));
    else if (family.type === "gauge") {
      const metric = new Gauge({ ...describe(family), registers: [registry] });
      for (const { labels, value } of family.points) metric.set(labels, value);
    } else {
      const metric = new Counter({ ...describe(family), registers: [registry] });
      for (const { labels, value } of family.points) metric.inc(labels, value);
    }
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}

function describe({ name, help, labelNames }: Family) {
  return { name, help, labelNames: [...labelNames] };
}

/** Cumulative, as Prometheus has it. */
function valuesOf(
  { name, bounds }: { readonly name: string; readonly bounds: readonly number[] },
  { labels, value: { counts, sum, count } }: Point<Distribution>,
): MetricValueWithName<string>[] {
  let below = 0;
  const buckets = [...bounds, "+Inf"].map((le, index) => {
    below += counts[index] ?? 0;
    return { labels: { ...labels, le }, value: below, metricName: `${name}_bucket` };
  });
  return [
    ...buckets,
    { labels, value: sum, metricName: `${name}_sum` },
    { labels, value: count, metricName: `${name}_count` },
  ];
}
