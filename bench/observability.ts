import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { TestDaemon } from "../test/support/daemon.ts";
import { compare, row, sample, type Row } from "./measure.ts";

/**
 * What seeing costs: the record of what was done, traces and metrics, each against a daemon without it, in one
 * run. Counting itself cannot be turned off; a scrape is what it costs to look. And how soon health is told while
 * 200 runs burn every core.
 */
export async function observabilityRows(rounds: number): Promise<Row[]> {
  const quiet = { SANDERLING_LOG_LEVEL: "warn" };
  const without = { ...quiet, SANDERLING_TIMELINE_KEEP_COUNT: "0" };
  await using plain = await TestDaemon.start({ env: without });
  await using recording = await TestDaemon.start({ env: quiet });
  await using receiver = new Receiver();
  await using traced = await TestDaemon.start({
    env: { ...without, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url },
  });
  const echo = (daemon: TestDaemon) => () => post(daemon, "/commands/run", { command: "echo hi" });
  return [
    ...(await compare(
      "echo hi, recorded in the timeline",
      echo(recording),
      "without",
      echo(plain),
      3 * rounds,
    )),
    ...(await compare(
      "echo hi, traced and metered by OTLP",
      echo(traced),
      "without",
      echo(plain),
      3 * rounds,
    )),
    row("GET /metrics/prometheus", "ms", await sample(() => get(recording, "/metrics/prometheus"), rounds)),
    row("GET /timeline, 100 of 1000", "ms", await sample(() => get(recording, "/timeline"), rounds)),
    row("GET /health", "ms", await sample(() => get(recording, "/health"), rounds)),
    row("  while 200 runs burn every core", "ms", await healthWhileBusy()),
  ];
}

async function healthWhileBusy(): Promise<number[]> {
  await using daemon = await TestDaemon.start({ env: { SANDERLING_LOG_LEVEL: "warn" } });
  const gate = join(daemon.workspace, "gate");
  await post(daemon, "/commands/run", { command: `mkfifo ${gate}` });
  const burn = { command: `read _ < ${gate}; while :; do :; done`, timeout: 300 };
  await Promise.all(Array.from({ length: 200 }, () => post(daemon, "/commands/background", burn)));
  closeSync(openSync(gate, "w"));
  return await sample(() => get(daemon, "/health"), 100);
}

/** Takes whatever comes. */
class Receiver implements AsyncDisposable {
  readonly #server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => new Response(new Uint8Array()),
  });

  get url(): string {
    return this.#server.url.href;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }
}

async function get(daemon: TestDaemon, path: string): Promise<void> {
  const response = await daemon.fetch(path);
  await response.text();
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
}

async function post(daemon: TestDaemon, path: string, body: object): Promise<void> {
  const { status } = await daemon.post(path, body);
  if (status !== 200) throw new Error(`${path} answered ${status}`);
}
