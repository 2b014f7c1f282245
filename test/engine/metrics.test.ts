import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { findHierarchies, type Hierarchy } from "../../src/engine/process/cgroup-files.ts";
import { SystemMetrics } from "../../src/engine/system/metrics.ts";
import { TestDaemon } from "../support/daemon.ts";
import { until } from "../support/engine.ts";

const MIB = 2 ** 20;
const text = (program: string, ...args: string[]) => spawnSync(program, args).stdout.toString();
const isNear = (value: number, expected: number, tolerance: number) =>
  expect(Math.abs(value - expected)).toBeLessThanOrEqual(tolerance);

/** A tree of control files as version 2 has them: a container with limits, and the daemon's own group in it. */
async function cgroupV2(files: Readonly<Record<string, string>>) {
  const root = await mkdtemp(join(tmpdir(), "cgroup-"));
  mkdirSync(join(root, "container/daemon"), { recursive: true });
  for (const path of ["container", "container/daemon"]) writeFileSync(join(root, path, "cgroup.procs"), "");
  for (const [name, content] of Object.entries(files)) writeFileSync(join(root, name), content);
  const own = join(root, "container/daemon");
  const hierarchy: Hierarchy = { version: 2, controllers: new Set(["memory", "cpu", "pids"]), own };
  return { hierarchies: [hierarchy], root, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) };
}

describe("what the sandbox has, on a machine without limits", () => {
  test("is what the operating system's own tools say", async () => {
    using metrics = new SystemMetrics({ diskPath: tmpdir(), hierarchies: [] });
    const now = await metrics.snapshot();
    const free = text("free", "-b").split("\n")[1]?.split(/\s+/).map(Number) ?? [];
    expect(now.memory.total).toBe(free[1] ?? 0);
    isNear(now.memory.free, free[6] ?? 0, 256 * MIB);
    const disk = text("df", "-B1", "--output=size,used,avail", tmpdir())
      .split("\n")[1]
      ?.trim()
      .split(/\s+/)
      .map(Number);
    isNear(now.disk.total, disk?.[0] ?? 0, 0);
    isNear(now.disk.used, disk?.[1] ?? 0, 256 * MIB);
    isNear(now.disk.free, disk?.[2] ?? 0, 256 * MIB);
    expect(now.cpu.cores).toBe(Number(text("nproc")));
    isNear(now.processes.total, text("ps", "-eo", "pid=").trim().split("\n").length, 20);
    const load = text("cat", "/proc/loadavg").split(" ").map(Number);
    isNear(now.load[0] ?? -1, load[0] ?? 0, 2);
    isNear(now.uptimeSeconds, Number(text("ps", "-o", "etimes=", "-p", "1")), 2);
    expect(now.openFiles).toBeGreaterThan(0);
    expect(now.network.receivedBytes).toBeGreaterThanOrEqual(0);
  });

  test("busy processors are seen within seconds, and never more than all of them", async () => {
    using metrics = new SystemMetrics({ diskPath: tmpdir(), hierarchies: [] });
    const busy = cpus().map(() => Bun.spawn(["sh", "-c", "while :; do :; done"]));
    try {
      const seen = await until(() => {
        const { usagePercent } = metrics.quick().cpu;
        expect(usagePercent).toBeLessThanOrEqual(100);
        return usagePercent > 80 && usagePercent;
      });
      expect(seen).toBeGreaterThan(80);
    } finally {
      for (const child of busy) child.kill("SIGKILL");
      await Promise.all(busy.map((child) => child.exited));
    }
  }, 40_000);
});

describe("limits of cgroups", () => {
  test("of version 2 count instead of the machine, from whichever group around the daemon is tightest", async () => {
    await using tree = await cgroupV2({
      "container/memory.max": String(512 * MIB),
      "container/memory.current": String(200 * MIB),
      "container/memory.stat": `anon 1\ninactive_file ${50 * MIB}\n`,
      "container/cpu.max": "50000 100000\n",
      "container/cpu.stat": "usage_usec 1000000\nuser_usec 1\n",
      "container/pids.max": "64",
      "container/daemon/memory.max": "max",
      "container/daemon/memory.current": "1",
      "container/daemon/cpu.max": "max 100000\n",
    });
    using metrics = new SystemMetrics({ diskPath: tmpdir(), ...tree });
    const now = await metrics.snapshot();
    expect(now.memory).toEqual({ total: 512 * MIB, used: 150 * MIB, free: 362 * MIB });
    expect(now.cpu.cores).toBe(0.5);
    expect(now.processes.limit).toBe(64);
    // As if it had used all that it is granted, and more.
    const used = (seconds: number) =>
      writeFileSync(join(tree.root, "container/cpu.stat"), `usage_usec ${seconds * 1e6}\n`);
    used(1000);
    expect(await until(() => metrics.quick().cpu.usagePercent)).toBe(100);
  });

  test("of version 2 that are none leave the machine's figures", async () => {
    await using tree = await cgroupV2({ "container/memory.max": "max", "container/cpu.max": "max 100000" });
    using metrics = new SystemMetrics({ diskPath: tmpdir(), ...tree });
    const now = await metrics.snapshot();
    expect(now.memory.total).toBe(
      Number(/MemTotal:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) * 1024,
    );
    expect(now.cpu.cores).toBe(availableParallelism());
    expect(now.processes.limit).toBeUndefined();
  });

  const real = realLimits();
  test.skipIf(real === undefined)(
    "of this kernel bound a daemon that is started inside of them",
    async () => {
      const limits = real as NonNullable<typeof real>;
      try {
        const enter = limits.procs.map((file) => `echo $$ > '${file}'`).join("; ");
        const main = join(import.meta.dir, "../../src/main.ts");
        await using daemon = await TestDaemon.start({
          command: ["sh", "-c", `${enter}; exec "$0" '${main}' "$@"`, process.execPath],
        });
        const answer = await daemon.execd("/metrics");
        const body = (await answer.json()) as Record<string, number>;
        expect(body).toMatchObject({ cpu_count: 0.5, mem_total_mib: 1024 });
        const told = limits.usedBytes();
        isNear(body["mem_used_mib"] ?? 0, told / MIB, 128);
        isNear(body["timestamp"] ?? 0, Date.now(), 10_000);
        const hopx = (await (await daemon.fetch("/metrics")).json()) as { system: Record<string, object> };
        expect(hopx.system).toMatchObject({ memory: { total: 1024 * MIB }, cpu: { cores: 0.5 } });
        // A run that wants a whole processor is granted half, which is all there is: of the machine's own two or
        // more that would be a quarter at most.
        await daemon.post("/commands/background", { command: "while :; do :; done" });
        const percent = await until(async () => {
          const { cpu_used_pct: used = 0 } = (await (await daemon.execd("/metrics")).json()) as Record<
            string,
            number
          >;
          return used > 70 && used;
        });
        expect(percent).toBeLessThanOrEqual(100);
      } finally {
        await until(() => limits.remove());
      }
    },
    60_000,
  );
});

/** Cgroups with 1 GiB and half a processor, where this machine lets us make them. */
function realLimits() {
  const name = `sanderling-test-${process.pid}`;
  const made: string[] = [];
  const set = (directory: string, values: Readonly<Record<string, string>>) => {
    mkdirSync(directory);
    made.push(directory);
    for (const [file, value] of Object.entries(values)) writeFileSync(join(directory, file), value);
  };
  const remove = () => {
    try {
      for (const directory of made) rmdirSync(directory);
      return true;
    } catch {
      return false;
    }
  };
  try {
    const find = (controller: string) =>
      findHierarchies().find(({ controllers }) => controllers.has(controller));
    const [memory, cpu, account] = [find("memory"), find("cpu"), find("cpuacct")];
    // Version 2 lets a group with processes have no groups with limits, so only version 1 can be tried in place.
    if (memory?.version !== 1 || cpu?.version !== 1 || account?.version !== 1) return undefined;
    set(join(memory.own, name), { "memory.limit_in_bytes": String(1024 * MIB) });
    set(join(cpu.own, name), { "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000" });
    if (account.own !== cpu.own) set(join(account.own, name), {});
    const inMemory = join(memory.own, name);
    return {
      procs: made.map((directory) => join(directory, "cgroup.procs")),
      usedBytes: () => Number(readFileSync(join(inMemory, "memory.usage_in_bytes"), "utf8")),
      remove,
    };
  } catch {
    remove();
    return undefined;
  }
}
