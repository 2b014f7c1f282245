import { z } from "zod";

/** Shapes of the figures (contracts/hopx-agent.md, 10.4 and 10.5). */

const amount = z.object({
  total: z.int().describe("Bytes"),
  used: z.int(),
  free: z.int(),
  usage_percent: z.number(),
});

const usage = {
  cpu: z.object({
    usage_percent: z.number().describe("Of all cores, 0 to 100"),
    cores: z.number().describe("Also a part of one, where a cgroup grants no more"),
    load: z.array(z.number()).describe("Over 1, 5 and 15 minutes"),
  }),
  memory: amount,
  disk: amount.describe("Of the workspace's file system"),
};

const perRoute = z.record(z.string(), z.number()).describe("By route");

export const metrics = z
  .object({
    uptime_seconds: z.int().describe("Of the agent"),
    total_executions: z.int(),
    active_executions: z.int(),
    error_count: z.int().describe("Requests answered with 500 and above"),
    total_requests: z.int(),
    total_errors: z.int().describe("Requests answered with 400 and above"),
    requests_total: perRoute,
    avg_duration_ms: perRoute,
    p95_duration_ms: perRoute,
    system: z.object({
      ...usage,
      network: z.object({ received_bytes: z.int(), sent_bytes: z.int() }),
      uptime_seconds: z.number().describe("Of the sandbox"),
      open_files: z.int().describe("Of the whole kernel"),
    }),
    process: z.object({ count: z.int(), running: z.int(), limit: z.int().nullable() }),
    cache: z.object({ size: z.int(), hits: z.int(), misses: z.int(), hit_rate: z.number() }),
    timestamp: z.iso.datetime(),
  })
  .meta({ id: "Metrics" });

export const system = z
  .object({
    ...usage,
    uptime: z.number().describe("Seconds, of the sandbox"),
    os: z.record(z.string(), z.string()),
    hardware: z.object({
      cpu_cores: z.number(),
      cpu_model: z.string(),
      memory_mb: z.int(),
      disk_mb: z.int(),
    }),
    network: z.object({
      interfaces: z.array(z.object({ name: z.string(), ip: z.string(), mac: z.string() })),
      hostname: z.string(),
    }),
    environment: z
      .object({
        shell: z.string(),
        path: z.string(),
        user: z.string(),
        home: z.string(),
        working_dir: z.string(),
        environment: z.record(z.string(), z.string()),
      })
      .describe("What runs get"),
    capabilities: z.array(z.string()).describe("Languages and tools that are there"),
  })
  .meta({ id: "SystemInformation" });
