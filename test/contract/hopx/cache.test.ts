import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestDaemon, type Answer } from "../../support/daemon.ts";

interface Stats {
  readonly cache: Record<string, number | string>;
  readonly hits: number;
  readonly misses: number;
  readonly hit_rate: number;
  readonly count: number;
  readonly size: number;
  readonly timestamp: string;
}

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ env: { SANDERLING_CACHE_TTL_SECONDS: "100" } });
});
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(async () => {
  await daemon.post("/cache/clear", "");
  await writeFile(join(daemon.workspace, "runs"), "");
  await mkdir(join(daemon.workspace, "other"), { recursive: true });
});

/** Says in a file that it has run. */
const COUNTED = "echo run >> runs; echo hello; echo warning >&2";

async function runs(of = daemon): Promise<number> {
  return (await readFile(join(of.workspace, "runs"), "utf8")).split("\n").length - 1;
}

async function execute(body: object, of = daemon): Promise<Answer> {
  return (await of.post("/execute", { language: "bash", code: COUNTED, cache: true, ...body })).body;
}

async function stats(of = daemon): Promise<Stats> {
  return (await (await of.fetch("/cache/stats")).json()) as Stats;
}

describe("POST /execute with cache", () => {
  test("runs the same code once and says which answer was kept, and since when", async () => {
    const before = await stats();
    const first = await execute({});
    const second = await execute({});
    expect(await runs()).toBe(1);
    expect(first).toMatchObject({ success: true, stdout: "hello\n", stderr: "warning\n", cached: false });
    expect(second).toMatchObject({ success: true, stdout: "hello\n", stderr: "warning\n", cached: true });
    expect([second.run_id, second.execution_time]).toEqual([first.run_id, first.execution_time]);
    expect([second.exit_code, second.language, second.end]).toEqual([0, "bash", first.end]);
    expect(second.usage).toEqual(first.usage);
    const cachedAt = Date.parse(String(second["cached_at"]));
    expect(cachedAt).toBeLessThanOrEqual(Date.parse(second.timestamp ?? ""));
    expect(Date.parse(String(second["expires_at"])) - cachedAt).toBe(100_000);
    const after = await stats();
    expect([after.hits - before.hits, after.misses - before.misses, after.count]).toEqual([1, 1, 1]);
  });

  test("is not used by who does not ask for it", async () => {
    await execute({});
    const plain = await execute({ cache: undefined });
    expect(plain).not.toHaveProperty("cached");
    await execute({ cache: false });
    expect(await runs()).toBe(3);
  });

  test.each([
    ["code", { code: `${COUNTED} ` }],
    ["variables of the request", { env: { A: "1" } }],
    ["working directory", { workdir: "other" }],
    ["input", { stdin: "x" }],
    ["limits", { limits: { open_files: 64 } }],
  ])("runs again with another %s", async (_, other) => {
    await execute({});
    expect((await execute(other))["cached"]).toBe(false);
  });

  test("runs again with other variables of the sandbox", async () => {
    const code = 'echo "$SHARED"';
    expect((await execute({ code })).stdout).toBe("\n");
    await daemon.fetch("/env", { method: "PATCH", body: JSON.stringify({ env_vars: { SHARED: "now" } }) });
    expect((await execute({ code })).stdout).toBe("now\n");
    await daemon.fetch("/env", { method: "DELETE" });
    const again = await execute({ code });
    expect([again.stdout, again["cached"]]).toEqual(["\n", true]);
  });

  test("keeps no failure", async () => {
    const failing = { code: `${COUNTED}; exit 3`, workdir: daemon.workspace };
    await execute(failing);
    expect(await execute(failing)).toMatchObject({ success: false, exit_code: 3, cached: false });
    expect(await runs()).toBe(2);
    expect((await stats()).count).toBe(0);
  });

  test("keeps no answer that was cut", async () => {
    const code = "head -c 3000000 /dev/zero | tr '\\0' x";
    expect((await execute({ code })).truncated).toBeDefined();
    expect((await stats()).count).toBe(0);
  });

  test("keeps a result no longer than asked, and tells until when", async () => {
    const first = await execute({ cache_ttl: 50 });
    expect(first["cached"]).toBe(false);
    const second = await execute({});
    const kept = Date.parse(String(second["expires_at"])) - Date.parse(String(second["cached_at"]));
    expect(kept).toBe(50_000);
  });

  test.each([
    [{ cache_ttl: 101 }, "cache_ttl: expected at most 100 seconds, got 101"],
    [{ cache_ttl: 0 }, /cache_ttl/],
    [{ cache_ttl: 10, cache: false }, "cache_ttl: needs cache: true"],
    [{ cache_ttl: 10, cache: undefined }, "cache_ttl: needs cache: true"],
    [{ cache: "yes" }, /cache/],
  ])("refuses %p", async (body, message) => {
    const { status, body: answer } = await daemon.post("/execute", { code: "1", cache: true, ...body });
    expect(status).toBe(400);
    expect(answer.message ?? "").toMatch(message);
  });

  test.each([
    ["/execute/background", {}],
    ["/execute/async", { callback_url: "http://127.0.0.1:1/" }],
  ])("is refused by %s, which is never answered from it", async (path, more) => {
    const { status, body } = await daemon.post(path, { code: "1", cache: true, ...more });
    expect(status).toBe(400);
    expect(body.message ?? "").toContain("never answered from the cache");
  });

  test("is used without asking for languages that a setting names", async () => {
    await using other = await TestDaemon.start({ env: { SANDERLING_CACHE_LANGUAGES: "bash" } });
    await execute({ cache: undefined }, other);
    expect((await execute({ cache: undefined }, other))["cached"]).toBe(true);
    expect((await execute({ cache: false }, other))["cached"]).toBeUndefined();
    const python = await execute({ cache: undefined, language: "python", code: "print(1)" }, other);
    expect(python["cached"]).toBeUndefined();
    expect(await runs(other)).toBe(2);
  });
});

describe("the routes of the cache", () => {
  test("GET /cache tells the documented status and the cache", async () => {
    const response = await daemon.fetch("/cache");
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      agent: "Sanderling VM Agent",
      status: "running",
      vm_id: daemon.sandboxId,
      message: "success",
      cache: { total_hits: expect.any(Number) as number, max_size: 32 * 2 ** 20, ttl: "100s" },
    });
  });

  test("GET /cache/stats tells numbers for each client", async () => {
    await execute({});
    await execute({});
    const { cache, hits, misses, hit_rate, count, size, timestamp } = await stats();
    expect(cache).toMatchObject({
      entries: 1,
      bytes: 526,
      size: 526,
      total_hits: hits,
      hits,
      misses,
      hit_rate,
    });
    expect(hit_rate).toBeCloseTo(hits / (hits + misses), 3);
    expect([count, size]).toEqual([1, 0.001]);
    expect(Date.parse(timestamp)).toBeGreaterThan(0);
  });

  test("POST /cache/clear takes no body, or any, and says what it dropped", async () => {
    await execute({});
    const { status, body } = await daemon.post("/cache/clear", "");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      message: "Cache cleared successfully",
      cleared_entries: 1,
      entries_removed: 1,
      freed_bytes: 526,
    });
    expect((await daemon.post("/cache/clear", {})).body["cleared_entries"]).toBe(0);
    expect((await daemon.fetch("/cache/clear", { method: "POST" })).status).toBe(200);
    await execute({});
    expect(await runs()).toBe(2);
  });

  test("need a token", async () => {
    for (const [method, path] of [
      ["GET", "/cache"],
      ["GET", "/cache/stats"],
      ["POST", "/cache/clear"],
    ] as const) {
      const response = await daemon.fetch(path, { method, headers: { authorization: "Bearer no" } });
      expect(response.status).toBe(401);
    }
  });
});
