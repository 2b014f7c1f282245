/**
 * Runs a child that writes 1 GiB and prints, as JSON, what this process needed for it. A process of its own,
 * so that nothing else is in its memory.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine } from "../../src/engine/engine.ts";

const root = await mkdtemp(join(tmpdir(), "write-gib-"));
try {
  await using engine = new Engine({
    workspace: join(root, "workspace"),
    dataDirectory: join(root, "data"),
    inheritedEnvironment: { PATH: process.env["PATH"] ?? "" },
    programs: {},
    runAs: undefined,
    containment: "auto",
    allowedRoots: [],
    warmInterpreters: 0,
    maxTerminals: 16,
    terminalIdleMs: 0,
    timelineKeepCount: 0,
    timelineKeepMs: 1000,
    terminalReplayBytes: 1024 * 1024,
    terminalRecordingBytes: 1024 * 1024,
    maxRuns: 2,
    desktopSize: { width: 1280, height: 800 },
    backgroundKeepMs: 60_000,
    backgroundKeepCount: 100,
    backgroundKeepBytes: 16 * 1024 * 1024,
    environmentFile: undefined,
    executionKeepMs: 60_000,
    sqlUrl: undefined,
    maxSessions: 8,
    sessionIdleMs: 60_000,
    executionKeepCount: 100,
    executionKeepBytes: 16 * 1024 * 1024,
    cacheBytes: 1024 * 1024,
    cacheTtlSeconds: 3600,
    cacheLanguages: [],
    maxContexts: 1,
    contextQueueLength: 1,
    contextIdleMs: 0,
    interruptGraceMs: 1000,
    kernelStartTimeoutMs: 10_000,
    maxDisplayBytes: 1024 * 1024,
    kernelPoolSize: 0,
    kernelPoolSpareBytes: 0,
    kernelPoolLanguages: [],
    killGraceMs: 500,
    webhookTargets: [],
    webhookRetryBaseMs: 1000,
    journalMemoryBytes: 256 * 1024,
    journalBytes: 64 * 1024 * 1024,
    onNotice: () => undefined,
  });
  await (
    await engine.startCommand({ argv: ["true"] })
  ).outcome;

  const before = process.memoryUsage.rss();
  let peak = before;
  // What the growth is measured by must not depend on the run: looked at whenever the loop turns.
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  const run = await engine.startCommand({ argv: ["head", "-c", String(2 ** 30), "/dev/zero"] });
  let told = 0;
  for await (const event of run.events()) {
    if (event.type === "output") told += event.bytes.byteLength;
    if (event.type === "dropped") told += event.length;
  }
  clearInterval(watch);
  const { totals, end } = await run.outcome;
  const report = { totalBytes: totals.stdout, toldBytes: told, growthBytes: peak - before, end };
  process.stdout.write(JSON.stringify(report));
} finally {
  await rm(root, { recursive: true, force: true });
}
