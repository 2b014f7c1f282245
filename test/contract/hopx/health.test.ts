import { describe, expect, test } from "bun:test";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "../../support/clients.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { SocketClient } from "../../support/socket-client.ts";
import { until } from "../../support/engine.ts";

interface Health {
  readonly status: string;
  readonly active_runs: number;
  readonly active_streams: number;
  readonly parts: Readonly<Record<string, Readonly<Record<string, string | number>>>>;
}
/** Without a credential, as probes ask. */
const health = async (daemon: TestDaemon) => (await (await fetch(`${daemon.url}/health`)).json()) as Health;

describe("GET /health", () => {
  test("says how each part does", async () => {
    await using daemon = await TestDaemon.start({ env: { SANDERLING_MAX_RUNS: "1" } });
    await using socket = await SocketClient.open(daemon, "/timeline/stream");
    expect(await health(daemon)).toMatchObject({
      status: "healthy",
      active_runs: 0,
      active_streams: 1,
      parts: {
        runs: { state: "ok", active: 0, limit: 1 },
        workspace: { state: "ok" },
        store: { state: "ok", webhooks: 0 },
        timeline: { state: "recording" },
        contexts: { state: "ok", count: 0 },
        sessions: { terminal: 0 },
      },
    });
    await daemon.post("/commands/background", { command: "sleep 60", timeout: 60 });
    const busy = await until(async () => {
      const now = await health(daemon);
      return now.active_runs === 1 && now;
    });
    expect(busy).toMatchObject({ status: "healthy", parts: { runs: { state: "full" } } });
    expect(socket.messages.every(({ kind }) => kind === "background")).toBe(true);
  });

  test("is not well without a workspace, which keeps a readiness probe away and a liveness probe content", async () => {
    await using daemon = await TestDaemon.start();
    const probe = async (path: string) => (await fetch(daemon.url + path)).status;
    expect([await probe("/healthz"), await probe("/readyz")]).toEqual([200, 200]);
    await rm(daemon.workspace, { recursive: true });
    expect([await probe("/healthz"), await probe("/readyz")]).toEqual([200, 503]);
    const now = await health(daemon);
    expect(now).toMatchObject({ status: "unhealthy", parts: { workspace: { state: "missing" } } });
    const refused = (await (await fetch(`${daemon.url}/readyz`)).json()) as { message: string };
    expect(refused.message).toBe("Not ready: runs ok, workspace missing, store ok");
  });

  test("answers while 200 runs burn every core", async () => {
    await using daemon = await TestDaemon.start({ env: { SANDERLING_MAX_RUNS: "200" } });
    const gate = join(daemon.workspace, "gate");
    expect((await runProgram(["mkfifo", gate])).code).toBe(0);
    // They begin together, when the gate is opened: until then none of them keeps the next from starting.
    const burn = { command: "read _ < gate; while :; do :; done", timeout: 300 };
    await Promise.all(Array.from({ length: 200 }, () => daemon.post("/commands/background", burn)));
    closeSync(openSync(gate, "w"));
    const told: Health[] = [];
    for (let i = 0; i < 20; i++) told.push(await health(daemon));
    expect(told.map(({ status, active_runs }) => [status, active_runs])).toEqual(
      Array.from({ length: 20 }, () => ["healthy", 200]),
    );
    expect((await fetch(`${daemon.url}/readyz`)).status).toBe(200);
  });

  test("gives nothing away to those without a credential", async () => {
    await using daemon = await TestDaemon.start();
    const text = JSON.stringify(await health(daemon));
    expect(text).not.toContain(daemon.directory);
    expect(text).not.toContain(daemon.token);
  });
});

const AUTOGROUP = "/proc/self/autogroup";

test.skipIf(!existsSync(AUTOGROUP) || process.getuid?.() !== 0)(
  "the daemon's share of busy processors is larger than that of any run",
  async () => {
    const niceOf = (text: string) => Number(/nice (-?\d+)/.exec(text)?.[1]);
    await using daemon = await TestDaemon.start();
    const { body } = await daemon.post("/commands/run", { command: `cat ${AUTOGROUP}` });
    const own = readFileSync(`/proc/${daemon.child.pid}/autogroup`, "utf8");
    expect([niceOf(own), niceOf(body.stdout)]).toEqual([-15, 0]);
  },
);
