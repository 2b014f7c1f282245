import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CLIENT_PYTHON } from "../../support/clients.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { SocketClient } from "../../support/socket-client.ts";

/** What the parser of Prometheus' own Python library makes of a text; it refuses what it does not understand. */
const PARSER = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families as parse
print(json.dumps([{"name": f.name, "type": f.type, "help": f.documentation,
  "samples": [{"name": s.name, "labels": s.labels, "value": s.value} for s in f.samples]}
  for f in parse(sys.stdin.read())]))
`;

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}
interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

async function scrape(): Promise<ParsedFamily[]> {
  const response = await daemon.fetch("/metrics/prometheus");
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const parser = Bun.spawn([CLIENT_PYTHON, "-c", PARSER], {
    stdin: Buffer.from(await response.text()),
    stderr: "inherit",
  });
  return (await new Response(parser.stdout).json()) as ParsedFamily[];
}

/** The value of the one series that has these labels. */
function valueOf(
  families: readonly ParsedFamily[],
  name: string,
  labels: Record<string, string> = {},
): number {
  const all = families.flatMap(({ samples }) => samples).filter((sample) => sample.name === name);
  const found = all.filter((sample) =>
    Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  if (found.length !== 1) throw new Error(`${found.length} series of ${name} with ${JSON.stringify(labels)}`);
  return found[0]?.value ?? NaN;
}

describe("GET /metrics/prometheus", () => {
  test("counts requests, runs and output, as a strict parser reads them", async () => {
    const before = await scrape();
    await daemon.post("/commands/run", { command: "printf 12345; exit 2" });
    await daemon.post("/commands/run", { command: "sleep 30", timeout: 1 });
    await daemon.post("/execute", { code: "echo", language: "bash" });
    await daemon
      .execd("/command", { method: "POST", body: JSON.stringify({ command: "true" }) })
      .then((r) => r.text());
    const after = await scrape();
    const grown = (name: string, labels: Record<string, string>) => {
      const old = before.flatMap(({ samples }) => samples).filter((sample) => sample.name === name);
      const had = old.filter((sample) =>
        Object.entries(labels).every(([key, text]) => sample.labels[key] === text),
      );
      return valueOf(after, name, labels) - (had[0]?.value ?? 0);
    };
    const command = { kind: "command", language: "none" };
    expect(grown("sanderling_runs_total", { ...command, end: "exited" })).toBe(2);
    expect(grown("sanderling_runs_total", { ...command, end: "timed_out" })).toBe(1);
    expect(grown("sanderling_runs_total", { kind: "code", language: "bash", end: "exited" })).toBe(1);
    expect(grown("sanderling_run_duration_seconds_count", { kind: "command" })).toBe(3);
    expect(grown("sanderling_run_duration_seconds_sum", { kind: "command" })).toBeWithin(1, 30);
    expect(grown("sanderling_run_output_bytes_total", { stream: "stdout" })).toBe(6);
    const route = { api: "hopx", method: "POST", route: "/commands/run" };
    // The published statuses of a program that failed and of one that took too long.
    expect(grown("sanderling_http_requests_total", { ...route, status: "500" })).toBe(1);
    expect(grown("sanderling_http_requests_total", { ...route, status: "408" })).toBe(1);
    expect(grown("sanderling_http_requests_total", { api: "execd", route: "/command", status: "200" })).toBe(
      1,
    );
    expect(grown("sanderling_http_request_duration_seconds_count", route)).toBeGreaterThanOrEqual(2);
  });

  test("follows the conventions: a known prefix, units in names, help for all, buckets that add up", async () => {
    const families = await scrape();
    for (const { name, type, help, samples } of families) {
      expect(name).toMatch(/^(sanderling|process)_[a-z_]+$/);
      expect(name).not.toMatch(/_(ms|milliseconds|kb|mb|percent)(_|$)/);
      expect(help).not.toBe("");
      expect(["counter", "gauge", "histogram"]).toContain(type);
      // The parser names a counter without the suffix that its samples have.
      if (type === "counter") expect(samples.every((sample) => sample.name.endsWith("_total"))).toBe(true);
      if (type !== "histogram") continue;
      const infinite = samples.filter(
        ({ name: one, labels }) => one.endsWith("_bucket") && labels["le"] === "+Inf",
      );
      const counts = samples.filter(({ name: one }) => one.endsWith("_count"));
      expect(counts.length).toBeGreaterThanOrEqual(name.includes("event_loop") ? 0 : 1);
      expect(infinite.map(({ value }) => value)).toEqual(counts.map(({ value }) => value));
    }
    const names = families.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("sanderling_event_loop_delay_seconds");
  });

  test("has few series, whatever clients write: unknown paths and methods are counted together", async () => {
    const size = async () => (await scrape()).flatMap(({ samples }) => samples).length;
    for (const method of ["GET", "PROPFIND"]) await daemon.fetch("/nonsense/0", { method });
    const before = await size();
    for (let i = 1; i < 20; i++) await daemon.fetch(`/nonsense/${i}`, { method: i % 2 ? "GET" : "PROPFIND" });
    await daemon.post("/execute", { code: "1", language: "nonsense" });
    await daemon.post("/execute", { code: "1", language: "more-nonsense" });
    expect((await size()) - before).toBeLessThan(30);
    const text = await (await daemon.fetch("/metrics/prometheus")).text();
    expect(text).not.toMatch(/nonsense|PROPFIND/);
  });

  test("agrees with what the machine says, and with what is open", async () => {
    const pid = daemon.child.pid;
    await using socket = await SocketClient.open(daemon, "/timeline/stream");
    const families = await scrape();
    const rss = Number(/VmRSS:\s+(\d+)/.exec(await Bun.file(`/proc/${pid}/status`).text())?.[1]) * 1024;
    const told = valueOf(families, "process_resident_memory_bytes");
    expect(Math.abs(told - rss) / rss).toBeLessThan(0.25);
    const started = valueOf(families, "process_start_time_seconds");
    expect(Math.abs(started - Date.now() / 1000)).toBeLessThan(300);
    expect(valueOf(families, "sanderling_http_open_streams", { kind: "websocket" })).toBe(1);
    expect(socket.messages).toEqual([]);
    expect(valueOf(families, "sanderling_sandbox_memory_bytes", { state: "used" })).toBeGreaterThan(told);
    expect(valueOf(families, "sanderling_build_info")).toBe(1);
    expect(valueOf(families, "sanderling_runs_active", { kind: "command" })).toBe(0);
  });

  test("says how many bytes journals had to drop", async () => {
    await using small = await TestDaemon.start({
      env: { SANDERLING_JOURNAL_BYTES: "65536", SANDERLING_JOURNAL_MEMORY_BYTES: "1024" },
    });
    await small.post("/commands/run", { command: "head -c 1000000 /dev/zero" });
    const text = await (await small.fetch("/metrics/prometheus")).text();
    const dropped = Number(/^sanderling_journal_dropped_bytes_total (\d+)$/m.exec(text)?.[1]);
    expect(dropped).toBeWithin(1_000_000 - 65_536 - 65_536, 1_000_000 - 1);
  });

  test("wants a credential", async () => {
    expect((await daemon.fetch("/metrics/prometheus", { headers: { authorization: "" } })).status).toBe(401);
  });
});
