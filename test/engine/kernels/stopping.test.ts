import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { describeEnd } from "../../../src/engine/run.ts";
import { until } from "../../support/engine.ts";
import { execute, only, openPython, told } from "../../support/kernels.ts";

setDefaultTimeout(60_000);

const ok = { cause: "exited", code: 0 } as const;
const BUSY = "while True: pass";
const HEEDLESS = `
import time
while True:
    try:
        print("READY", flush=True)
        time.sleep(60)
    except KeyboardInterrupt: pass
`;

describe("stopping", () => {
  test("what runs by an interrupt keeps the variables, whatever it waits for", async () => {
    await using lab = await openPython();
    const { context } = lab;
    const waits = [
      BUSY,
      "import time; time.sleep(600)",
      "import os; os.system('sleep 600')",
      "import asyncio; await asyncio.sleep(600)",
    ];
    await execute(context, "kept = 5");
    for (const code of waits) {
      const run = await context.execute({ code: `print('READY', flush=True)\n${code}` });
      await until(() => run.journal.totals.stdout > 0);
      expect(await context.interrupt()).toBe("interrupted");
      expect((await run.outcome).end.cause).toBe("exited");
    }
    expect(only(await execute(context, "kept"), "result")).toHaveLength(1);
    expect(await context.interrupt()).toBe("idle");
  });

  test("in the very moment of the start ends the run all the same", async () => {
    await using lab = await openPython();
    for (let i = 0; i < 10; i++) {
      const run = await lab.context.execute({ code: "import time; time.sleep(600)" });
      await run.begun;
      expect(await lab.context.interrupt()).toBe("interrupted");
      expect((await told(run)).end).toEqual({ cause: "exited", code: 1 });
    }
  });

  test("after its time says so, and keeps the variables", async () => {
    await using lab = await openPython();
    await execute(lab.context, "kept = 5");
    const done = await execute(lab.context, BUSY, { timeoutMs: 200 });
    expect(done.end).toEqual({ cause: "timed_out", afterMs: 200 });
    expect(only(done, "failed")).toMatchObject([{ name: "KeyboardInterrupt" }]);
    expect((await execute(lab.context, "kept")).end).toEqual(ok);
  });

  test("what does not heed it restarts the kernel, and everybody concerned is told", async () => {
    await using lab = await openPython({}, { interruptGraceMs: 300 });
    const { context } = lab;
    await execute(context, "kept = 5");
    const [run, waiting] = await Promise.all([
      context.execute({ code: HEEDLESS }),
      context.execute({ code: "kept" }),
    ]);
    await until(() => run.journal.totals.stdout > 0);
    expect(await context.interrupt()).toBe("restarted");
    const done = await told(run);
    expect(done.end).toEqual({ cause: "cancelled", reason: "requested" });
    expect(only(done, "failed").map(({ name }) => name)).toEqual(["KernelRestarted"]);
    expect(only(done, "failed")[0]?.message).toMatch(/variables are lost/);
    expect(describeEnd((await waiting.outcome).end)).toMatch(/^lost: .*restarted/);
    expect(context).toMatchObject({ state: "idle", restarts: 1, death: undefined });
    expect(only(await execute(context, "kept"), "failed")).toMatchObject([{ name: "NameError" }]);
  });

  test("by a timeout restarts the kernel too when it is not heeded", async () => {
    await using lab = await openPython({}, { interruptGraceMs: 300 });
    const done = await execute(lab.context, HEEDLESS, { timeoutMs: 500 });
    expect(done.end).toEqual({ cause: "timed_out", afterMs: 500 });
    expect(only(done, "failed")).toMatchObject([{ name: "KernelRestarted" }]);
    expect((await execute(lab.context, "1")).end).toEqual(ok);
  });

  test("what waits for its turn for too long ends without having run", async () => {
    await using lab = await openPython();
    const run = await lab.context.execute({ code: BUSY });
    const waiting = await execute(lab.context, "print('never')", { timeoutMs: 100 });
    expect(waiting).toMatchObject({ end: { cause: "timed_out" }, stdout: "" });
    await run.cancel("client_gone");
    expect((await run.outcome).end).toEqual({ cause: "cancelled", reason: "client_gone" });
  });

  test("a restart on request loses what runs and what waits, and says so", async () => {
    await using lab = await openPython();
    const { context } = lab;
    const [run, waiting] = await Promise.all([
      context.execute({ code: BUSY }),
      context.execute({ code: "1" }),
    ]);
    await run.begun;
    await context.restart();
    expect((await run.outcome).end.cause).toBe("cancelled");
    expect((await waiting.outcome).end.cause).toBe("lost");
    expect(context).toMatchObject({ state: "idle", restarts: 1 });
    expect((await execute(context, "1")).end).toEqual(ok);
  });

  test("what is asked during a restart waits for the fresh kernel, one at a time", async () => {
    await using lab = await openPython({}, { interruptGraceMs: 300 });
    const { context } = lab;
    const run = await context.execute({ code: HEEDLESS });
    await until(() => run.journal.totals.stdout > 0);
    const interrupted = context.interrupt();
    await until(() => context.state === "restarting");
    const asked = await Promise.all(
      [1, 2].map((i) => context.execute({ code: `import time; time.sleep(0.2); print(${i}, flush=True)` })),
    );
    expect(await interrupted).toBe("restarted");
    await until(() => asked[0]?.journal.totals.stdout === 2);
    expect((await Promise.all(asked.map((one) => told(one)))).map(({ stdout }) => stdout)).toEqual([
      "1\n",
      "2\n",
    ]);
    expect(context).toMatchObject({ state: "idle", executions: 3, queued: 0 });
  });

  test("more output than is allowed ends the run and keeps the kernel", async () => {
    await using lab = await openPython({ limits: { outputBytes: 1000 } });
    const done = await execute(lab.context, "while True: print('x' * 100)");
    expect(done).toMatchObject({ end: { cause: "cancelled", reason: "output_limit" } });
    expect(done.stdout).toHaveLength(1000);
    expect((await execute(lab.context, "1")).end).toEqual(ok);
  });
});
