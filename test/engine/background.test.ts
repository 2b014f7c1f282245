import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import type { ProcessRun } from "../../src/engine/process/process-run.ts";
import { stopRun } from "../../src/engine/process/stop-run.ts";
import { openEngine, printed, ready, refusal, said, until, type TestEngine } from "../support/engine.ts";

setDefaultTimeout(60_000);

const facts = (name: string) => ({ name, language: "shell", command: name });
const names = (lab: TestEngine) => lab.engine.background.list().map(({ facts: { name } }) => name);

async function ended(lab: TestEngine, name: string, text = "echo hi"): Promise<ProcessRun> {
  const run = await lab.sh(text);
  lab.engine.background.add(run, facts(name));
  await run.outcome;
  return run;
}

describe("background processes", () => {
  test("are listed newest first and found by each of their names", async () => {
    await using lab = await openEngine();
    const first = lab.engine.background.add(await lab.sh("exec sleep 600"), facts("first"));
    const second = lab.engine.background.add(await lab.sh("exec sleep 600"), facts("second"));
    expect(names(lab)).toEqual(["second", "first"]);
    for (const { id, executionId, run } of [first, second]) {
      for (const name of [id, executionId, run.id, String(run.pid)])
        expect(lab.engine.background.find(name)?.id).toBe(id);
    }
    expect(lab.engine.background.find("proc_nobody")).toBeUndefined();
    expect(lab.engine.background.withPid(second.run.pid ?? 0)).toBe(second);
  });

  test("are kept after their end, with their output, up to a number", async () => {
    await using lab = await openEngine({ backgroundKeepCount: 2 });
    lab.engine.background.add(await lab.sh("exec sleep 600"), facts("running"));
    const gone = await ended(lab, "a");
    for (const name of ["b", "c"]) await ended(lab, name);
    await until(() => names(lab).length === 3);
    expect(names(lab)).toEqual(["c", "b", "running"]);
    const [last] = lab.engine.background.list();
    expect(last?.outcome?.end).toEqual({ cause: "exited", code: 0 });
    expect(last && Buffer.from(await printed(last.run)).toString()).toBe("hi\n");
    await until(async () => (await printed(gone)).byteLength === 0);
  });

  test("are kept after their end for a time", async () => {
    await using lab = await openEngine({ backgroundKeepMs: 1 });
    await ended(lab, "a");
    await until(() => names(lab).length === 0);
  });

  test("are kept after their end with so much output in all, but the newest always", async () => {
    await using lab = await openEngine({ backgroundKeepBytes: 5000, journalMemoryBytes: 1024 });
    for (const name of ["a", "b"]) await ended(lab, name, "head -c 3000 /dev/zero");
    await until(() => names(lab).length === 1);
    expect(names(lab)).toEqual(["b"]);
    await ended(lab, "c", "head -c 100000 /dev/zero");
    await until(() => names(lab).join() === "c");
  });

  test("leave no descriptor behind when they are forgotten", async () => {
    await using lab = await openEngine({ backgroundKeepCount: 3, journalMemoryBytes: 1024 });
    const descriptors = async () => (await readdir("/proc/self/fd")).length;
    const some = async () => {
      for (let i = 0; i < 5; i++) await ended(lab, String(i), "head -c 10000 /dev/zero");
    };
    await some();
    await until(() => names(lab).length === 3);
    const before = await descriptors();
    for (let i = 0; i < 5; i++) await some();
    await until(async () => names(lab).length === 3 && (await descriptors()) < before + 10);
  });

  test("end with the engine", async () => {
    await using lab = await openEngine();
    const process = lab.engine.background.add(await lab.program("ignores-sigterm.sh"), facts("a"));
    const { isAlive } = await ready(process.run);
    await lab.engine[Symbol.asyncDispose]();
    expect(isAlive()).toBe(false);
    expect(process.outcome?.end.cause).toBe("cancelled");
    expect(names(lab)).toEqual([]);
  });

  test("that could not be started have ended from the start", async () => {
    await using lab = await openEngine();
    const run = await lab.engine.startCommand({ argv: ["no-such-program"] });
    const process = lab.engine.background.add(run, facts("a"));
    expect(process.outcome?.end).toMatchObject({ cause: "could_not_start" });
    expect(process.endedAt?.getTime()).toBeGreaterThanOrEqual(run.startedAt.getTime());
  });
});

describe.each(["auto", "process_group"] as const)("stopping, with containment %s", (containment) => {
  test("a run ends all of it, also what left its session", async () => {
    await using lab = await openEngine({ containment });
    const run = await lab.program("new-session.sh");
    const { isAlive } = await ready(run);
    expect(await stopRun(run, undefined)).toBe(true);
    expect(isAlive()).toBe(false);
    expect((await run.outcome).end).toEqual({ cause: "cancelled", reason: "requested" });
    expect(await stopRun(run, undefined)).toBe(true);
  });

  test("a run with a signal sends that one, which it may survive", async () => {
    await using lab = await openEngine({ containment });
    const run = await lab.sh("trap 'echo heard' USR1; echo set; while :; do sleep 0.02; done");
    await said(run, /set/);
    expect(await stopRun(run, "SIGUSR1")).toBe(false);
    await said(run, /heard/);
    expect(await stopRun(run, "SIGKILL")).toBe(true);
    expect((await run.outcome).end).toEqual({ cause: "signalled", signal: "SIGKILL" });
  });

  test("by the pid of a run's first process stops the run", async () => {
    await using lab = await openEngine({ containment });
    const run = await lab.sh("sleep 600 & echo $!; wait");
    const child = Number((await said(run, /^(\d+)\n/))[1]);
    expect(await lab.engine.stopProcess(run.pid ?? 0, undefined)).toBe(true);
    expect((await run.outcome).end.cause).toBe("cancelled");
    expect(await lab.engine.stopProcess(child, undefined)).toBeUndefined();
  });

  test("by the pid of another process of a run stops that one, by force if need be", async () => {
    await using lab = await openEngine({ containment });
    const run = await lab.sh("sh -c 'trap \"\" TERM; echo pid $$; while :; do sleep 0.02; done'; echo over");
    const child = Number((await said(run, /^pid (\d+)\n/))[1]);
    if (child === run.pid) throw new Error("the shell has become the program");
    expect(await lab.engine.stopProcess(child, undefined)).toBe(true);
    await said(run, /over/);
    expect((await run.outcome).end).toEqual({ cause: "exited", code: 0 });
  });
});

describe("stopping by pid", () => {
  test("is refused for this process and for process 1", async () => {
    await using lab = await openEngine();
    for (const pid of [process.pid, 1])
      expect((await refusal(lab.engine.stopProcess(pid, "SIGTERM"))).code).toBe("denied");
  });

  test("finds no process in what is none: a thread of this one, a zombie, a free number", async () => {
    await using lab = await openEngine();
    const thread = (await readdir("/proc/self/task")).map(Number).find((id) => id !== process.pid);
    expect(await lab.engine.stopProcess(thread ?? 0, "SIGTERM")).toBeUndefined();
    expect(await lab.engine.stopProcess(4_194_304, undefined)).toBeUndefined();
    expect(await lab.engine.stopProcess(0, undefined)).toBeUndefined();
    const run = await lab.sh(
      "exec python3 -c 'import os,time; p=os.fork(); p or os._exit(0); print(p,flush=True); time.sleep(600)'",
    );
    const zombie = Number((await said(run, /^(\d+)\n/))[1]);
    await until(async () => /^State:\tZ/m.test(await Bun.file(`/proc/${zombie}/status`).text()));
    expect(await lab.engine.stopProcess(zombie, undefined)).toBeUndefined();
  });
});
