import { useEffect, useState } from "preact/hooks";
import { json } from "../api.ts";
import type { TabProps } from "../app.tsx";
import { bytes } from "../format.ts";
import { usePoll } from "../poll.ts";
import { Chart } from "./chart.tsx";

interface Amount {
  readonly total: number;
  readonly used: number;
}

interface Metrics {
  readonly system: {
    readonly cpu: { readonly usage_percent: number; readonly cores: number };
    readonly memory: Amount;
    readonly disk: Amount;
    readonly network: { readonly received_bytes: number; readonly sent_bytes: number };
  };
  readonly process: { readonly count: number };
  readonly active_executions: number;
  readonly requests_total: Readonly<Record<string, number>>;
  readonly avg_duration_ms: Readonly<Record<string, number>>;
}

interface Sample {
  readonly at: number;
  readonly metrics: Metrics;
}

const EVERY_MS = 2000;
/** Five minutes. */
const POINTS = 150;
/** So wide is the scale at first. */
const LEAST_POINTS = 30;
/** Connections, not requests: they last as long as somebody looks. And what the charts ask for themselves. */
const NOT_REQUESTS = /stream|watch|terminal$|websocket|metrics|\/ping/;
const percent = (value: number) => `${Math.round(value)} %`;

export function Charts({ isActive }: TabProps) {
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  const metrics = usePoll(isActive, EVERY_MS, (signal) => json<Metrics>("metrics/snapshot", { signal }));
  useEffect(() => {
    const { data } = metrics;
    if (data) setSamples((before) => [...before, { at: Date.now(), metrics: data }].slice(-POINTS));
  }, [metrics.data]);
  const system = samples.map((sample) => sample.metrics.system);
  const last = system.at(-1);
  if (!last) return <p class="hint">{metrics.error ?? "Reading figures…"}</p>;
  const per = (read: (metrics: Metrics) => number) =>
    samples.map((sample, index) => rate(samples[index - 1], sample, read));
  const common = { points: Math.max(LEAST_POINTS, samples.length) };
  return (
    <div class="charts">
      <Chart
        {...common}
        title={`CPU, ${last.cpu.cores} cores`}
        most={100}
        format={percent}
        series={[{ name: "used", values: system.map(({ cpu }) => cpu.usage_percent) }]}
      />
      <Chart
        {...common}
        title="Memory"
        most={last.memory.total}
        format={bytes}
        series={[{ name: "used", values: system.map(({ memory }) => memory.used) }]}
      />
      <Chart
        {...common}
        title="Disk"
        most={last.disk.total}
        format={bytes}
        series={[{ name: "used", values: system.map(({ disk }) => disk.used) }]}
      />
      <Chart
        {...common}
        title="Network"
        format={(value) => `${bytes(value)}/s`}
        series={[
          { name: "in", values: per(({ system: { network } }) => network.received_bytes) },
          { name: "out", values: per(({ system: { network } }) => network.sent_bytes) },
        ]}
      />
      <Chart
        {...common}
        title="Request latency"
        format={(value) => `${value.toFixed(1)} ms`}
        series={[
          { name: "mean", values: samples.map((sample, index) => latency(samples[index - 1], sample)) },
        ]}
      />
      <Chart
        {...common}
        title="Under way"
        format={(value) => String(Math.round(value))}
        series={[
          { name: "runs", values: samples.map((sample) => sample.metrics.active_executions) },
          { name: "processes", values: samples.map((sample) => sample.metrics.process.count) },
        ]}
      />
    </div>
  );
}

function rate(
  before: Sample | undefined,
  now: Sample,
  read: (metrics: Metrics) => number,
): number | undefined {
  if (!before) return undefined;
  const change = read(now.metrics) - read(before.metrics);
  // Less than before: the daemon was started anew.
  return change < 0 ? undefined : change / ((now.at - before.at) / 1000);
}

/** Of the requests between two samples, from the counts and averages since the start. */
function latency(before: Sample | undefined, now: Sample): number | undefined {
  if (!before) return undefined;
  let [count, total] = [0, 0];
  for (const [route, all] of Object.entries(now.metrics.requests_total)) {
    if (NOT_REQUESTS.test(route)) continue;
    const known = before.metrics.requests_total[route] ?? 0;
    count += all - known;
    total +=
      all * (now.metrics.avg_duration_ms[route] ?? 0) - known * (before.metrics.avg_duration_ms[route] ?? 0);
  }
  return count <= 0 ? undefined : Math.max(0, total / count);
}
