import type { Engine } from "../../engine/engine.ts";
import type { Amount, SystemSnapshot } from "../../engine/system/metrics.ts";
import { listInterfaces } from "../../engine/system/network.ts";
import { readOsFacts } from "../../engine/system/os-facts.ts";
import type { RequestStats, RouteStats } from "../../http/request-stats.ts";
import { route } from "./context.ts";
import * as shapes from "./metrics-schema.ts";
import { errorBody } from "./schema.ts";

const MIB = 2 ** 20;
/** Beside the languages; the names that the published page shows. */
const TOOLS = { Git: "git", curl: "curl", ripgrep: "rg", make: "make" } as const;

const refusals = { 401: { description: "Token missing, wrong or expired", schema: errorBody } } as const;

/** What the sandbox has and uses (contracts/hopx-agent.md, 10.4 and 10.5). */
export const metricsRoutes = [
  route({
    method: "GET",
    path: "/metrics/snapshot",
    aliases: ["/metrics"],
    credential: "token",
    summary: "Figures of the agent and of the sandbox",
    responses: { 200: { description: "Now", schema: shapes.metrics }, ...refusals },
    handle: async (_, __, { engine, requests }) => ({
      status: 200,
      body: {
        ...describeRequests(requests),
        ...describeRuns(engine),
        ...describeSystem(await engine.metrics.snapshot()),
        timestamp: new Date().toISOString(),
      },
    }),
  }),

  route({
    method: "GET",
    path: "/system",
    credential: "token",
    summary: "What this sandbox is, and how much of it is in use",
    responses: { 200: { description: "Now", schema: shapes.system }, ...refusals },
    handle: async (_, __, { engine }) => {
      const now = await engine.metrics.snapshot();
      const os = readOsFacts();
      return {
        status: 200,
        body: {
          ...describeUsage(now),
          uptime: now.uptimeSeconds,
          os: { ...os },
          hardware: {
            cpu_cores: now.cpu.cores,
            cpu_model: engine.metrics.cpu.model,
            memory_mb: Math.round(now.memory.total / MIB),
            disk_mb: Math.round(now.disk.total / MIB),
          },
          network: {
            interfaces: listInterfaces().map(({ name, address, mac }) => ({ name, ip: address, mac })),
            hostname: os.hostname,
          },
          environment: describeEnvironment(engine),
          capabilities: capabilitiesOf(engine),
        },
      };
    },
  }),
];

function describeRequests(requests: RequestStats) {
  const routes = Object.entries(requests.routes());
  const each = (field: keyof RouteStats) =>
    Object.fromEntries(routes.map(([route, stats]) => [route, stats[field]]));
  return {
    error_count: requests.faults,
    total_requests: routes.reduce((sum, [, { count }]) => sum + count, 0),
    total_errors: requests.refusals,
    requests_total: each("count"),
    avg_duration_ms: each("averageMs"),
    p95_duration_ms: each("p95Ms"),
  };
}

function describeRuns({ startedAt, runs, cache }: Engine) {
  const { entries: size, hits, misses, hitRate } = cache.stats();
  return {
    uptime_seconds: Math.floor((Date.now() - startedAt.getTime()) / 1000),
    total_executions: runs.total,
    active_executions: runs.active,
    cache: { size, hits, misses, hit_rate: hitRate },
  };
}

function describeSystem(now: SystemSnapshot) {
  const { total: count, running, limit = null } = now.processes;
  return {
    system: {
      ...describeUsage(now),
      network: { received_bytes: now.network.receivedBytes, sent_bytes: now.network.sentBytes },
      uptime_seconds: now.uptimeSeconds,
      open_files: now.openFiles,
    },
    process: { count, running, limit },
  };
}

function describeUsage({ cpu, load, memory, disk }: SystemSnapshot) {
  return {
    cpu: { usage_percent: twoDecimals(cpu.usagePercent), cores: cpu.cores, load },
    memory: describeAmount(memory),
    disk: describeAmount(disk),
  };
}

function describeAmount({ total, used, free }: Amount) {
  return { total, used, free, usage_percent: total === 0 ? 0 : twoDecimals((100 * used) / total) };
}

function describeEnvironment({ variables, workspace }: Engine) {
  const { environment } = variables;
  return {
    shell: environment["SHELL"] ?? "",
    path: environment["PATH"] ?? "",
    user: environment["USER"] ?? "",
    home: environment["HOME"] ?? "",
    working_dir: workspace.path,
    environment,
  };
}

function capabilitiesOf(engine: Engine): string[] {
  const languages = engine.languages().flatMap(({ language, program }) => (program ? [language.id] : []));
  const tools = Object.entries(TOOLS).filter(([, program]) => engine.findProgram(program) !== undefined);
  return [...languages, ...tools.map(([name]) => name)];
}

function twoDecimals(value: number): number {
  return Math.round(100 * value) / 100;
}
