import { z } from "zod";
import type { SystemMetrics } from "../../engine/system/metrics.ts";
import { streamOf } from "../../http/stream.ts";
import { route } from "./context.ts";

const MIB = 2 ** 20;
const WATCH_MS = 1000;

const metrics = z
  .object({
    cpu_count: z.number().describe("Also a part of one, where a cgroup grants no more"),
    cpu_used_pct: z.number().describe("Of all of them, 0 to 100"),
    mem_total_mib: z.number(),
    mem_used_mib: z.number(),
    timestamp: z.int().describe("Milliseconds since 1970"),
  })
  .meta({ id: "Metrics" });

/** contracts/opensandbox-execd.md, 11. */
export const metricsRoutes = [
  route({
    method: "GET",
    path: "/metrics",
    credential: "token",
    summary: "Processors and memory of the sandbox, at once",
    responses: { 200: { description: "Now", schema: metrics } },
    handle: (_, __, { engine }) => ({ status: 200, body: describe(engine.metrics) }),
  }),

  route({
    method: "GET",
    path: "/metrics/watch",
    credential: "token",
    summary: "The same every second, as server-sent events, until the client leaves",
    responses: { 200: { description: "One event a second; the first at once" } },
    handle: (_, { signal }, { engine }) =>
      new Response(streamOf(watch(engine.metrics, signal)), {
        headers: {
          "Content-Type": "text/event-stream",
          "Cache-Control": "no-cache",
          "X-Accel-Buffering": "no",
        },
      }),
  }),
];

async function* watch(source: SystemMetrics, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  while (!signal.aborted) {
    yield new TextEncoder().encode(`data: ${JSON.stringify(describe(source))}\n\n`);
    await pause(WATCH_MS, signal);
  }
}

function describe(source: SystemMetrics): z.output<typeof metrics> {
  const { at, cpu, memory } = source.quick();
  return {
    cpu_count: cpu.cores,
    cpu_used_pct: cpu.usagePercent,
    mem_total_mib: memory.total / MIB,
    mem_used_mib: memory.used / MIB,
    timestamp: at.getTime(),
  };
}

/** Ends early when nobody waits any more. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
