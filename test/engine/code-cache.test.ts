import { describe, expect, test } from "bun:test";
import { copyFile, mkdir, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { RunCache, type CacheOptions } from "../../src/engine/code/cache.ts";
import { languageNamed, type CodeRequest } from "../../src/engine/engine.ts";
import { newRunId, type RunEnd, type RunOutcome, type Stream } from "../../src/engine/run.ts";
import { openEngine, said, type TestEngine } from "../support/engine.ts";

const ANY = { ttlSeconds: 3600, timeoutMs: 60_000 };

/** A cache whose clock only moves when told. */
function open(options: Partial<CacheOptions> = {}) {
  let now = 1_000_000;
  const cache = new RunCache(
    { cacheBytes: 64 * 1024, cacheTtlSeconds: 3600, cacheLanguages: [], ...options },
    () => now,
  );
  const keep = (key: string, text: string, more: { end?: RunEnd; ttlSeconds?: number } = {}) =>
    cache.keep(key, ended(text), outcomeOf(text, more.end), {
      ttlSeconds: more.ttlSeconds ?? 3600,
      generation: cache.generation,
    });
  return { cache, keep, pass: (seconds: number) => void (now += seconds * 1000) };
}

function ended(text: string) {
  const bytes = { stdout: Buffer.from(text), stderr: Buffer.from("") };
  const tail = (stream: Stream) =>
    Promise.resolve({ bytes: bytes[stream], totalBytes: bytes[stream].length });
  return { id: newRunId(), journal: { tail }, outputClosed: () => Promise.resolve() };
}

function outcomeOf(text: string, end: RunEnd = { cause: "exited", code: 0 }): RunOutcome {
  return {
    end,
    usage: { peakMemoryBytes: null, cpuSeconds: null, peakProcesses: null, oomKills: 0 },
    durationMs: 1500,
    totals: { stdout: Buffer.byteLength(text), stderr: 0 },
  };
}

async function textOf(cache: RunCache, key: string): Promise<string | undefined> {
  const found = cache.find(key, ANY);
  if (!found) return undefined;
  const { totals } = found.outcome;
  return Buffer.from((await found.run.journal.tail("stdout", 1e9, totals.stdout)).bytes).toString();
}

describe("the execution cache", () => {
  test("tells what a run printed again, with the time it ended", async () => {
    const { cache, keep, pass } = open();
    expect(cache.find("a", ANY)).toBeUndefined();
    await keep("a", "hello");
    pass(10);
    expect(await textOf(cache, "a")).toBe("hello");
    const found = cache.find("a", ANY);
    expect(found?.cachedAt.getTime()).toBe(1_000_000);
    expect(found?.expiresAt.getTime()).toBe(1_000_000 + 3600_000);
    const counts = { hits: 2, misses: 1, hitRate: 2 / 3, entries: 1, evictions: 0 };
    expect(cache.stats()).toMatchObject({ ...counts, bytes: 5 + 512, maxBytes: 64 * 1024 });
  });

  test.each<[string, RunEnd]>([
    ["that failed", { cause: "exited", code: 1 }],
    ["that was killed", { cause: "signalled", signal: "SIGKILL" }],
    ["that took too long", { cause: "timed_out", afterMs: 1 }],
    ["that was cancelled", { cause: "cancelled", reason: "client_gone" }],
    ["that ran out of memory", { cause: "out_of_memory", limitBytes: 1 }],
    ["that was lost", { cause: "lost", message: "" }],
  ])("keeps no run %s", async (_, end) => {
    const { cache, keep } = open();
    await keep("a", "text", { end });
    expect(cache.stats().entries).toBe(0);
  });

  test("keeps no run whose output is no longer whole, or larger than a quarter of it", async () => {
    const { cache, keep } = open();
    const run = { ...ended("only the end"), id: newRunId() };
    const whole = outcomeOf("x".repeat(1000));
    await cache.keep("a", run, whole, { ttlSeconds: 60, generation: cache.generation });
    await keep("b", "x".repeat(16 * 1024));
    expect(cache.stats().entries).toBe(0);
  });

  test("forgets a result at the end of its time", async () => {
    const { cache, keep, pass } = open();
    await keep("short", "1", { ttlSeconds: 10 });
    await keep("long", "2");
    pass(9);
    expect(await textOf(cache, "short")).toBe("1");
    pass(1);
    expect(await textOf(cache, "short")).toBeUndefined();
    expect(cache.stats()).toMatchObject({ entries: 1, bytes: 513 });
  });

  test("gives nothing older than was asked for, and nothing that took longer than the run may", async () => {
    const { cache, keep, pass } = open();
    await keep("a", "text");
    pass(30);
    expect(cache.find("a", { ...ANY, ttlSeconds: 30 })).toBeUndefined();
    expect(cache.find("a", { ...ANY, timeoutMs: 1000 })).toBeUndefined();
    expect(cache.find("a", { ttlSeconds: 31, timeoutMs: 2000 })).toBeDefined();
  });

  test("drops what was not used for longest when it is full", async () => {
    const { cache, keep } = open();
    const text = "x".repeat(10_000);
    for (const key of ["a", "b", "c", "d", "e", "f"]) await keep(key, text);
    expect(await textOf(cache, "a")).toBe(text);
    await keep("g", text);
    expect(await textOf(cache, "b")).toBeUndefined();
    expect(await textOf(cache, "a")).toBe(text);
    expect(cache.stats()).toMatchObject({ entries: 6, evictions: 1, bytes: 6 * 10_512 });
  });

  test("counts a result that is kept again once", async () => {
    const { cache, keep } = open();
    await keep("a", "old text");
    await keep("a", "new");
    expect(await textOf(cache, "a")).toBe("new");
    expect(cache.stats()).toMatchObject({ entries: 1, bytes: 515, evictions: 0 });
  });

  test("says what was dropped when it is cleared, and takes nothing back that began before", async () => {
    const { cache, keep } = open();
    await keep("a", "text");
    const { generation } = cache;
    expect(cache.clear()).toEqual({ entries: 1, bytes: 516 });
    expect(cache.clear()).toEqual({ entries: 0, bytes: 0 });
    await cache.keep("a", ended("text"), outcomeOf("text"), { ttlSeconds: 60, generation });
    expect(cache.find("a", ANY)).toBeUndefined();
  });

  test("keeps nothing when it has no room", async () => {
    const { cache, keep } = open({ cacheBytes: 0 });
    await keep("a", "");
    expect(cache.stats().entries).toBe(0);
  });
});

describe("a run of the engine", () => {
  async function run(test: TestEngine, code: string): Promise<string | undefined> {
    await using run = await test.code("bash", code);
    if (code.includes("READY")) await said(run, /READY/);
    const { cache } = test.engine;
    await cache.keep("key", run, await run.outcome, { ttlSeconds: 60, generation: cache.generation });
    const text = await textOf(cache, "key");
    return text;
  }

  test("is kept as it was printed, after its journal is gone", async () => {
    await using test = await openEngine();
    for (const text of ["hello", "ü\\n", ""]) {
      expect(await run(test, `printf '${text}'`)).toBe(text.replace("\\n", "\n"));
      test.engine.cache.clear();
    }
    const long = "x".repeat(200_000);
    expect(await run(test, "printf 'x%.0s' {1..200000}")).toBe(long);
  });

  test("is kept whenever it ends, however close that is to the end of its output", async () => {
    await using test = await openEngine();
    for (let round = 0; round < 30; round++) {
      expect(await run(test, `echo ${round}`)).toBe(`${round}\n`);
      test.engine.cache.clear();
    }
  });

  test("that left something running is not kept", async () => {
    await using test = await openEngine();
    expect(await run(test, "sleep 60 & echo READY")).toBeUndefined();
  });
});

describe("the key of a run", () => {
  test("is the same for the same request and another for every part that differs", async () => {
    await using test = await openEngine();
    await mkdir(join(test.workspace, "other"));
    const { engine } = test;
    const request: CodeRequest = {
      language: languageNamed("bash"),
      code: "echo hi",
      env: { B: "2", A: "1" },
    };
    const key = (more: Partial<CodeRequest> = {}) => engine.cacheKey({ ...request, ...more });
    const first = key();
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(key({ env: { A: "1", B: "2" } })).toBe(first);
    expect(key({ cwd: test.workspace, limits: {}, timeoutMs: 5 })).toBe(first);
    const others = [
      key({ code: "echo ho" }),
      key({ language: languageNamed("python") }),
      key({ env: { A: "1", B: "3" } }),
      key({ env: { A: "1" } }),
      key({ cwd: "other" }),
      key({ limits: { openFiles: 20 } }),
      key({ limits: { outputBytes: 20 } }),
      key({ stdin: "" }),
      key({ stdin: "x" }),
    ];
    await engine.variables.merge({ C: "3" });
    others.push(key());
    expect(new Set([first, ...others]).size).toBe(others.length + 1);
    await engine.variables.merge({ C: null });
    expect(key()).toBe(first);
  });

  test("changes with the interpreter behind the path", async () => {
    await using test = await openEngine();
    const programs = join(test.workspace, "bin");
    await mkdir(programs);
    for (const name of ["one", "two"]) {
      await copyFile("/bin/sh", join(programs, name));
      // The same second for both: their inodes tell them apart.
      await utimes(join(programs, name), 1, 1);
    }
    const request = { language: languageNamed("bash"), code: "", env: { PATH: programs } };
    expect(test.engine.cacheKey(request)).toBeUndefined();
    const link = join(programs, "bash");
    await symlink("one", link);
    const first = test.engine.cacheKey(request);
    await utimes(join(programs, "one"), 2, 2);
    const touched = test.engine.cacheKey(request);
    await Bun.file(link).unlink();
    await symlink("two", link);
    expect(new Set([first, touched, test.engine.cacheKey(request), undefined]).size).toBe(4);
  });

  test("refuses what the run would refuse", async () => {
    await using test = await openEngine();
    const request = { language: languageNamed("bash"), code: "" };
    expect(() => test.engine.cacheKey({ ...request, cwd: "missing" })).toThrow(/does not exist/);
    expect(() => test.engine.cacheKey({ ...request, env: { "A=B": "" } })).toThrow(/not a valid name/);
  });
});
