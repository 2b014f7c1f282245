import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import type { TestDaemon } from "../../test/support/daemon.ts";
import { get, post } from "../harness/calls.ts";
import type { Scenario, Subject } from "../harness/scenario.ts";

const NO_TIMELINE = { SANDERLING_TIMELINE_KEEP_COUNT: "0" };
const BURNING = 200;
const AT_ONCE = 20;

export const observability: Subject = {
  name: "observability",
  title: "What seeing costs",
  about:
    "The record of what was done, traces and metrics, each against a daemon without. Counting itself cannot be turned off; a scrape is what it costs to look.",
  scenarios: [
    {
      name: "timeline",
      what: "`echo hi`, recorded in the timeline",
      patience: 2,
      open: async (stage) => {
        const [recording, plain] = [await stage.daemon(), await stage.daemon(NO_TIMELINE)];
        return [echo("ours", recording), echo("without", plain)];
      },
    },
    {
      name: "otlp",
      what: "`echo hi`, traced and metered by OTLP",
      patience: 2,
      open: async (stage) => {
        const { url } = await stage.use(Promise.resolve(new Receiver()));
        const traced = await stage.daemon({ ...NO_TIMELINE, OTEL_EXPORTER_OTLP_ENDPOINT: url });
        return [echo("ours", traced), echo("without", await stage.daemon(NO_TIMELINE))];
      },
    },
    asking("scrape", "/metrics/prometheus", "`GET /metrics/prometheus`"),
    asking("pages", "/timeline", "`GET /timeline`, a page of 100"),
    asking("health", "/health", "`GET /health`"),
    {
      name: "health-under-load",
      what: "`GET /health` while runs burn every core",
      growth: { of: ["run", "runs"], sizes: [BURNING], quick: [20] },
      targets: [
        { asked: "at most 100 ms with 200 runs", anyOf: [{ figure: "max", atMost: 100 }], size: BURNING },
      ],
      open: async (stage, runs) => {
        // Or what is measured would be how long this process waits for a processor among the runs.
        const daemon = await stage.daemon({}, { isInOwnSession: false });
        await burn(daemon, runs);
        return [{ what: "ours", pid: daemon.child.pid, call: () => get(daemon, "/health") }];
      },
    },
  ],
};

function echo(what: string, daemon: TestDaemon) {
  const call = () => post(daemon, "/commands/run", { command: "echo hi" });
  return { what, pid: daemon.child.pid, call };
}

/** A page that is asked for when much has been done. */
function asking(name: string, path: string, what: string): Scenario {
  return {
    name,
    what,
    growth: { of: ["run before", "runs before"], sizes: [1000], quick: [100] },
    open: async (stage, runs) => {
      const daemon = await stage.daemon();
      for (let i = 0; i < runs; i += AT_ONCE)
        await Promise.all(
          Array.from({ length: AT_ONCE }, () => post(daemon, "/commands/run", { command: "echo hi" })),
        );
      return [{ what: "ours", pid: daemon.child.pid, call: () => get(daemon, path) }];
    },
  };
}

/** All wait at a gate first, so that none slows the start of the others. */
async function burn(daemon: TestDaemon, runs: number): Promise<void> {
  const gate = join(daemon.workspace, "gate");
  await post(daemon, "/commands/run", { command: `mkfifo ${gate}` });
  const command = { command: `read _ < ${gate}; while :; do :; done`, timeout: 300 };
  await Promise.all(Array.from({ length: runs }, () => post(daemon, "/commands/background", command)));
  closeSync(openSync(gate, "w"));
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
