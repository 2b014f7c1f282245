import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TimelineEntry } from "../../src/engine/timeline/entry.ts";
import { Timeline } from "../../src/engine/timeline/timeline.ts";
import { openEngine, outcome, said, until } from "../support/engine.ts";

const ALL = { kinds: [], limit: 1000 } as const;

describe("the record of what was done", () => {
  test("has every run with its kind, end, duration and sizes, and nothing of what was in it", async () => {
    await using test = await openEngine();
    const { timeline } = test.engine;
    await outcome(
      test.sh("echo hi-from-the-command; echo oops >&2; exit 3", { env: { A: "of-no-concern" } }),
    );
    await outcome(test.code("bash", "echo of-the-code", { stdin: "of-the-input" }));
    await outcome(test.engine.startCommand({ argv: ["no-such-program-anywhere"] }));
    const [failed, code, command] = timeline.list(ALL);
    expect(command).toMatchObject({
      kind: "command",
      action: "run",
      end: { cause: "exited", exitCode: 3 },
      sizes: { stdout: 20, stderr: 5 },
    });
    expect(command?.durationMs).toBeGreaterThan(0);
    expect(Math.abs((command?.startedAt ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(code).toMatchObject({
      kind: "code",
      language: "bash",
      sizes: { input: 16 },
      end: { exitCode: 0 },
    });
    expect(failed).toMatchObject({ end: { cause: "could_not_start", exitCode: 127 } });
    const file = await Bun.file(join(test.dataDirectory, "private/timeline.sqlite")).text();
    expect(JSON.stringify(timeline.list(ALL)) + file).not.toMatch(/of-no-concern|of-the|hi-from/);
  });

  test("shows a run under way without an end, and then its end under the same id", async () => {
    await using test = await openEngine();
    const run = await test.sh("echo ready; read line", { keepStdinOpen: true });
    await said(run, /ready/);
    const [before] = test.engine.timeline.list(ALL);
    expect(before).toMatchObject({ id: run.id, kind: "command" });
    expect(before?.end).toBeUndefined();
    await run.cancel("requested");
    const after = test.engine.timeline.list(ALL);
    expect(after).toHaveLength(1);
    expect(after[0]).toMatchObject({ id: run.id, sequence: before?.sequence, end: { cause: "cancelled" } });
    expect(after[0]?.revision).toBeGreaterThan(before?.revision ?? Infinity);
    await run[Symbol.asyncDispose]();
  });

  test("has the programs of terminals and the commands of sessions too", async () => {
    await using test = await openEngine();
    const { engine } = test;
    const terminal = engine.terminals.create({ argv: ["/bin/sh", "-c", "true"] });
    await terminal.start("terminal");
    const session = await engine.shells.create({ cwd: test.workspace });
    await session.run({ text: "cd /" }).outcome;
    const entries = await until(() => {
      const found = engine.timeline.list(ALL);
      return found.length === 2 && found.every(({ end }) => end) && found;
    });
    expect(entries.map(({ kind }) => kind)).toEqual(["session", "terminal"]);
  });

  test("is found by kind and time, page by page", async () => {
    await using record = await openTimeline({ count: 100 });
    for (let i = 0; i < 10; i++) record.timeline.record(entry(`e${i}`, i % 2 ? "file" : "command", 1000 + i));
    const { timeline } = record;
    const ids = (query: Partial<Parameters<Timeline["list"]>[0]>) =>
      timeline.list({ ...ALL, ...query }).map(({ id }) => id);
    expect(ids({ kinds: ["file"] })).toEqual(["e9", "e7", "e5", "e3", "e1"]);
    expect(ids({ kinds: ["file", "command"], since: START + 1003, until: START + 1005 })).toEqual([
      "e4",
      "e3",
    ]);
    const first = timeline.list({ ...ALL, limit: 4 });
    const before = first.at(-1)?.sequence;
    expect(first.map(({ id }) => id)).toEqual(["e9", "e8", "e7", "e6"]);
    expect(ids({ before, limit: 4 })).toEqual(["e5", "e4", "e3", "e2"]);
  });

  test("is told live, from any revision on, also to a reader that came late", async () => {
    await using record = await openTimeline({ count: 1000 });
    const { timeline } = record;
    timeline.record(entry("before", "file", 1));
    const from = timeline.revision;
    const leave = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const batch of timeline.follow(from, leave.signal))
        for (const { id, end } of batch) seen.push(`${id}:${end?.cause ?? ""}`);
    })();
    timeline.record(underWay("a", 2));
    await until(() => seen.length === 1);
    timeline.record(entry("a", "command", 2));
    timeline.record(entry("b", "file", 3));
    await until(() => seen.length === 3);
    leave.abort();
    await reading;
    expect(seen).toEqual(["a:", "a:done", "b:done"]);
    for await (const batch of timeline.follow(0, AbortSignal.timeout(20_000))) {
      expect(batch.map(({ id }) => id)).toEqual(["before", "a", "b"]);
      break;
    }
  });

  test("keeps to its bounds of number and age", async () => {
    await using record = await openTimeline({ count: 5, ageMs: 60_000 });
    const { timeline } = record;
    timeline.record({ ...entry("old", "file", 0), startedAt: Date.now() - 61_000 });
    for (let i = 0; i < 20; i++) timeline.record({ ...entry(`e${i}`, "file", 0), startedAt: Date.now() });
    expect(timeline.list(ALL).map(({ id }) => id)).toEqual(["e19", "e18", "e17", "e16", "e15"]);
    timeline.record({ ...entry("ancient", "file", 0), startedAt: Date.now() - 61_000 });
    expect(timeline.list(ALL).map(({ id }) => id)).not.toContain("ancient");
  });

  test("outlives its daemon; what had no end then gets none but that nobody knows it", async () => {
    const directory = await mkdtemp(join(tmpdir(), "test-timeline-"));
    const path = join(directory, "timeline.sqlite");
    const open = () =>
      new Timeline({ path, retention: { count: 100, ageMs: AGE }, onNotice: () => undefined });
    const first = open();
    first.record(entry("done", "file", 1));
    first.record(underWay("cut", 2));
    first[Symbol.dispose]();
    // As if that daemon had been another process.
    const database = new Database(path);
    database.run("UPDATE entries SET owner = 'boot/1/1/gone' WHERE owner IS NOT NULL");
    database.close();
    const second = open();
    expect(second.list(ALL).map(({ id, end }) => [id, end?.cause])).toEqual([
      ["cut", "unknown"],
      ["done", "done"],
    ]);
    second[Symbol.dispose]();
    await rm(directory, { recursive: true });
  });

  test("holds nobody up when it cannot be written: it says so once, and drops the oldest", async () => {
    const notices: string[] = [];
    const timeline = new Timeline({
      path: "/proc/no/such/place.sqlite",
      retention: { count: 100, ageMs: AGE },
      onNotice: (notice) => notices.push(notice),
    });
    for (let i = 0; i < 6000; i++) timeline.record(entry(`e${i}`, "file", i));
    await until(() => notices.length > 0);
    timeline.record(entry("last", "file", 1));
    expect(() => timeline.list(ALL)).toThrow("Cannot use the database");
    expect(notices).toEqual(["the record of what was done cannot be written"]);
    expect(timeline.counts).toEqual({ written: 0, dropped: 1001, waiting: 5000 });
    timeline[Symbol.dispose]();
  });
});

const AGE = 3_600_000;
const START = Date.now() - 60_000;

function entry(id: string, kind: "file" | "command", atMs: number): TimelineEntry {
  return { id, kind, action: "write", startedAt: START + atMs, end: { cause: "done", status: 200 } };
}

function underWay(id: string, atMs: number): TimelineEntry {
  return { id, kind: "command", action: "run", startedAt: START + atMs };
}

async function openTimeline({ count, ageMs = AGE }: { count: number; ageMs?: number }) {
  const directory = await mkdtemp(join(tmpdir(), "test-timeline-"));
  const timeline = new Timeline({
    path: join(directory, "timeline.sqlite"),
    retention: { count, ageMs },
    onNotice: (notice, details) => {
      throw new Error(`${notice}: ${JSON.stringify(details)}`);
    },
  });
  return {
    timeline,
    async [Symbol.asyncDispose]() {
      timeline[Symbol.dispose]();
      await rm(directory, { recursive: true });
    },
  };
}
