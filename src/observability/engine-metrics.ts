import type { Engine } from "../engine/engine.ts";
import { findLanguage } from "../engine/code/languages.ts";
import { counted, gauge, type Family, type Labels } from "./instruments.ts";

/** What the engine keeps and what waits in it, counted when somebody looks. */
export function engineFamilies(engine: Engine): Family[] {
  return [...contextFamilies(engine), ...sessionFamilies(engine), ...keptFamilies(engine)];
}

function contextFamilies({ contexts }: Engine): Family[] {
  const all = contexts.list();
  const states = tally(all, ({ language, state }) => ({ language: known(language), state }));
  const queued = all.reduce((sum, context) => sum + context.queued, 0);
  return [
    gauge("sanderling_contexts", "Contexts, each with a kernel of its own", states),
    gauge("sanderling_context_queue_length", "Runs that wait for their turn in a context", queued),
    gauge("sanderling_kernels_waiting", "Kernels started ahead that wait for a context", contexts.waiting),
  ];
}

function sessionFamilies({ shells, terminals, isolated, background }: Engine): Family[] {
  return [
    gauge("sanderling_sessions", "Sessions and processes that are kept for later requests", [
      [{ kind: "shell" }, shells.list().length],
      [{ kind: "terminal" }, terminals.list().length],
      [{ kind: "isolated" }, isolated.list().length],
      [{ kind: "background" }, background.list().length],
    ]),
  ];
}

function keptFamilies({ webhooks, cache, timeline }: Engine): Family[] {
  const deliveries = Object.entries(webhooks.counts());
  const { entries, bytes, hits, misses } = cache.stats();
  const { written, dropped, waiting } = timeline.counts;
  return [
    gauge(
      "sanderling_webhook_deliveries",
      "Webhooks by state, of those that are remembered",
      deliveries.map(([state, count]) => [{ state }, count] as const),
    ),
    gauge("sanderling_cache_entries", "Results that are kept to be told again", entries),
    gauge("sanderling_cache_bytes", "Memory of results that are kept", bytes),
    counted("sanderling_cache_requests_total", "Requests for a kept result", [
      [{ result: "hit" }, hits],
      [{ result: "miss" }, misses],
    ]),
    counted("sanderling_timeline_entries_total", "Entries of the record of what was done", [
      [{ outcome: "written" }, written],
      [{ outcome: "dropped" }, dropped],
    ]),
    gauge("sanderling_timeline_waiting", "Entries of the record that wait to be written", waiting),
  ];
}

/** What the sandbox has and uses: of its cgroup where one bounds it. */
export async function sandboxFamilies({ metrics }: Engine): Promise<Family[]> {
  const { cpu, memory, disk, network, processes } = await metrics.snapshot();
  return [
    gauge(
      "sanderling_sandbox_cpu_usage_ratio",
      "Processors in use, of those there are",
      cpu.usagePercent / 100,
    ),
    gauge("sanderling_sandbox_cpu_cores", "Processors that may be used", cpu.cores),
    gauge("sanderling_sandbox_memory_bytes", "Memory there is and in use", amounts(memory)),
    gauge("sanderling_sandbox_disk_bytes", "Disk of the workspace, there is and in use", amounts(disk)),
    counted("sanderling_sandbox_network_bytes_total", "Bytes over the network", [
      [{ direction: "in" }, network.receivedBytes],
      [{ direction: "out" }, network.sentBytes],
    ]),
    gauge("sanderling_sandbox_processes", "Processes in the sandbox", processes.total),
  ];
}

function amounts({ total, used }: { readonly total: number; readonly used: number }) {
  return [
    [{ state: "total" }, total],
    [{ state: "used" }, used],
  ] as const;
}

/** A client may name any kernel of the machine; those without a row of ours are counted together. */
function known(language: string): string {
  return findLanguage(language)?.id ?? "other";
}

function tally<Item>(items: readonly Item[], labelsOf: (item: Item) => Labels): [Labels, number][] {
  const counts = new Map<string, [Labels, number]>();
  for (const item of items) {
    const labels = labelsOf(item);
    const key = Object.values(labels).join("\u0000");
    counts.set(key, [labels, (counts.get(key)?.[1] ?? 0) + 1]);
  }
  return [...counts.values()];
}
