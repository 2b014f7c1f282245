import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { hostname } from "node:os";
import { TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

interface Figures {
  readonly [name: string]: unknown;
  readonly requests_total: Record<string, number>;
  readonly avg_duration_ms: Record<string, number>;
  readonly p95_duration_ms: Record<string, number>;
  readonly process: Record<string, number>;
  readonly system: Record<"cpu" | "memory" | "disk", Record<string, number>>;
  readonly memory: { readonly total: number };
  readonly hardware: { readonly memory_mb: number };
}
const get = async (path: string) => (await (await daemon.fetch(path)).json()) as Figures;

describe("the VM Agent API's figures", () => {
  test("count runs, requests by route with their durations, and the cache", async () => {
    await daemon.post("/commands/run", { command: "true" });
    await daemon.post("/execute", { language: "nonsense", code: "1" });
    for (const path of ["/metrics/snapshot", "/metrics"]) {
      const now = await get(path);
      expect(now["total_executions"]).toBeGreaterThanOrEqual(1);
      expect(now).toMatchObject({ active_executions: 0, error_count: 0 });
      expect(now["total_errors"]).toBeGreaterThanOrEqual(1);
      expect(now["total_requests"]).toBeGreaterThanOrEqual(3);
      expect(now.requests_total["/commands/run"]).toBe(1);
      const [average, p95] = [now["avg_duration_ms"], now["p95_duration_ms"]].map(
        (map) => map["/commands/run"],
      );
      expect(average).toBeGreaterThan(0);
      // The upper bound of a bucket that is a tenth wide.
      expect(p95).toBeGreaterThanOrEqual(Number(average) * 0.99);
      expect(p95).toBeLessThanOrEqual(Number(average) * 1.12);
      expect(now["cache"]).toMatchObject({ size: 0, hits: 0, misses: 0, hit_rate: 0 });
      expect(now.process["count"]).toBeGreaterThanOrEqual(Number(now.process["running"]));
      const { system } = now;
      expect(system.memory).toMatchObject({ usage_percent: expect.any(Number) as number });
      expect(system.cpu["usage_percent"]).toBeWithin(0, 100.01);
      expect(system.disk["used"]).toBeWithin(1, Number(system.disk["total"]));
    }
  });

  test("GET /system tells what the machine is, as its own tools do", async () => {
    const now = await get("/system");
    const shell = (command: string) => spawnSync("sh", ["-c", command]).stdout.toString().trim();
    expect(now["os"]).toMatchObject({
      name: shell(". /etc/os-release; echo $NAME"),
      version: shell(". /etc/os-release; echo $VERSION_ID"),
      kernel: shell("uname -r"),
      hostname: hostname(),
    });
    expect(now["network"]).toMatchObject({ hostname: hostname() });
    expect(now["environment"]).toMatchObject({ working_dir: daemon.workspace });
    expect(now["environment"]).toMatchObject({ path: expect.stringContaining("/bin") as string });
    expect(now["capabilities"]).toContain("bash");
    expect(now.hardware.memory_mb).toBe(Math.round(now.memory.total / 2 ** 20));
    expect(now["uptime"]).toBeGreaterThan(0);
  });
});

describe("the Execution API's figures", () => {
  test("come at once and lie in their bounds", async () => {
    const now = (await (await daemon.execd("/metrics")).json()) as Record<string, number>;
    expect(Object.keys(now).sort()).toEqual(
      ["cpu_count", "cpu_used_pct", "mem_total_mib", "mem_used_mib", "timestamp"].sort(),
    );
    expect(now["cpu_count"]).toBeGreaterThan(0);
    expect(now["cpu_used_pct"]).toBeWithin(0, 100.01);
    expect(now["mem_used_mib"]).toBeWithin(1, now["mem_total_mib"] ?? 0);
    expect(Math.abs((now["timestamp"] ?? 0) - Date.now())).toBeLessThan(60_000);
    const hopx = await get("/metrics");
    expect(hopx.system.memory["total"]).toBe((now["mem_total_mib"] ?? 0) * 2 ** 20);
  });

  test("are watched as events until the client leaves", async () => {
    const response = await daemon.execd("/metrics/watch");
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const times: number[] = [];
    const decoder = new TextDecoder();
    let text = "";
    const pieces: AsyncIterable<Uint8Array> | null = response.body;
    for await (const piece of pieces ?? []) {
      text += decoder.decode(piece, { stream: true });
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        expect(text).toStartWith("data: {");
        times.push((JSON.parse(text.slice("data: ".length, end)) as { timestamp: number }).timestamp);
        text = text.slice(end + 2);
      }
      if (times.length >= 3) break;
    }
    expect(times.toSorted((a, b) => a - b)).toEqual(times);
    expect(new Set(times).size).toBe(times.length);
  });
});
