import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { findSystemProcess, listSystemProcesses } from "../../src/engine/system/process-table.ts";
import { signalNamed } from "../../src/engine/signal.ts";
import { openEngine, said, until } from "../support/engine.ts";

setDefaultTimeout(60_000);

describe("the table of processes", () => {
  test("tells of this process what ps tells", () => {
    const ps = Bun.spawnSync(["ps", "-o", "ppid=,rss=,nlwp=,user:40=", "-p", String(process.pid)]);
    const [parent, kibibytes, threads, user] = ps.stdout.toString().trim().split(/\s+/);
    const mine = findSystemProcess(process.pid);
    expect(mine).toMatchObject({ pid: process.pid, parent: Number(parent), user, state: "running" });
    expect(Math.abs((mine?.threads ?? 0) - Number(threads))).toBeLessThan(8);
    const ratio = (mine?.memoryBytes ?? 0) / (Number(kibibytes) * 1024);
    expect(ratio).toBeGreaterThan(0.5);
    expect(ratio).toBeLessThan(2);
    expect(mine?.cpuSeconds).toBeGreaterThan(0);
    expect(mine?.command).toContain("bun");
  });

  test("reads names with spaces, parentheses and other characters", async () => {
    await using lab = await openEngine();
    const run = await lab.sh(`cp "$(command -v sleep)" './é) R (b'; exec './é) R (b' 600`);
    const found = await until(() => {
      const process = findSystemProcess(run.pid ?? 0);
      return process?.name === "é) R (b" && process.state === "sleeping" ? process : undefined;
    });
    expect(found).toMatchObject({ command: "./é) R (b 600", state: "sleeping", parent: process.pid });
  });

  test("tells the share of a processor over the life of a process", async () => {
    await using lab = await openEngine();
    const busy = await lab.sh("while :; do :; done");
    const idle = await lab.sh("exec sleep 600");
    await until(() => (findSystemProcess(busy.pid ?? 0)?.cpuSeconds ?? 0) > 0.1);
    expect(findSystemProcess(busy.pid ?? 0)?.cpuPercent).toBeGreaterThan(5);
    expect(findSystemProcess(idle.pid ?? 0)?.cpuPercent).toBeLessThan(100);
    const { processes } = await listSystemProcesses({ order: "cpu", limit: 10_000 });
    const place = (pid: number | undefined) => processes.findIndex((process) => process.pid === pid);
    expect(place(busy.pid)).toBeLessThan(place(idle.pid));
  });

  test("tells when a process began, to about a second", async () => {
    await using lab = await openEngine();
    const run = await lab.sh("echo up; exec sleep 600");
    await said(run, /up/);
    const began = findSystemProcess(run.pid ?? 0)?.startedAt.getTime() ?? 0;
    expect(Math.abs(began - run.startedAt.getTime())).toBeLessThan(2500);
  });

  test("gives as many as asked for, and how many there are", async () => {
    const { processes, total } = await listSystemProcesses({ order: "pid", limit: 2 });
    expect(processes).toHaveLength(2);
    expect(total).toBeGreaterThan(2);
    expect(processes[0]?.pid).toBe(1);
  });

  test("knows nothing of a process that is not there", () => {
    expect(findSystemProcess(4_194_304)).toBeUndefined();
  });
});

describe("a signal", () => {
  test.each([
    ["SIGTERM", "SIGTERM"],
    ["term", "SIGTERM"],
    [" int ", "SIGINT"],
    ["9", "SIGKILL"],
    ["USR1", "SIGUSR1"],
  ] as const)("may be called %j", (text, name) => expect(signalNamed(text)).toBe(name));

  test.each(["", "0", "99", "SIGNOTHING", "-9", "constructor"])("is not called %j", (text) =>
    expect(signalNamed(text)).toBeUndefined(),
  );
});
