import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { refusal, until } from "../../support/engine.ts";
import { execute, only, openKernels, openPython, told } from "../../support/kernels.ts";

setDefaultTimeout(60_000);

const ok = { cause: "exited", code: 0 } as const;
const BUSY = "while True: pass";

describe("a context", () => {
  test("keeps its variables from run to run, and counts them", async () => {
    await using lab = await openPython();
    const { context } = lab;
    expect((await execute(context, "x = 20")).end).toEqual(ok);
    const second = await execute(context, "print('é', x)\nx + 1");
    expect(second).toMatchObject({ end: ok, stdout: "é 20\n", stderr: "" });
    expect(second.events.map(({ type }) => type)).toEqual(["started", "output", "result", "ended"]);
    expect(only(second, "result")).toEqual([
      { type: "result", data: { "text/plain": "21" }, count: 2, index: 0 },
    ]);
    expect(only(second, "started")[0]?.pid).toBe(context.pid ?? 0);
    expect(context).toMatchObject({
      state: "idle",
      executions: 2,
      queued: 0,
      restarts: 0,
      language: "python",
    });
  });

  test("shares nothing with another", async () => {
    await using lab = await openPython();
    const other = await lab.contexts.create({ language: "python" });
    await execute(lab.context, "secret = 1");
    expect(only(await execute(other, "secret"), "failed")).toMatchObject([{ name: "NameError" }]);
    expect(lab.contexts.list("python").map(({ id }) => id)).toEqual([lab.context.id, other.id]);
  });

  test("works in its directory with its variables", async () => {
    await using lab = await openKernels();
    mkdirSync(join(lab.lab.workspace, "inner"));
    const env = { QUOTED: `it's "so"\n` };
    const context = await lab.contexts.create({ language: "python", cwd: "inner", env });
    const code = "import os, json; print(json.dumps([os.getcwd(), os.environ['QUOTED']]))";
    const { stdout } = await execute(context, code);
    expect(JSON.parse(stdout)).toEqual([realpathSync(context.cwd), env.QUOTED]);
    expect(context.cwd).toBe(join(lab.lab.workspace, "inner"));
  });

  test("tells the user's error and lives on", async () => {
    await using lab = await openPython();
    const failed = await execute(lab.context, "before = 1\n1 / 0");
    expect(failed.end).toEqual({ cause: "exited", code: 1 });
    const [error] = only(failed, "failed");
    expect(error).toMatchObject({ name: "ZeroDivisionError", message: "division by zero" });
    expect(error?.traceback.join("\n")).toContain("ZeroDivisionError");
    expect((await execute(lab.context, "before")).end).toEqual(ok);
  });

  test("leaves nothing of a silent run", async () => {
    await using lab = await openPython();
    const silent = await execute(lab.context, "hidden = 3\nhidden", { silent: true });
    expect(silent.events.map(({ type }) => type)).toEqual(["started", "ended"]);
    expect(only(await execute(lab.context, "hidden, In"), "result")).toMatchObject([
      { count: 1, data: { "text/plain": "(3, ['', 'hidden, In'])" } },
    ]);
  });

  test("executes one at a time, in the order asked, and no more than fit wait", async () => {
    await using lab = await openPython({}, { contextQueueLength: 3 });
    const { context } = lab;
    const first = await context.execute({ code: "order = ['a']; input()", keepStdinOpen: true });
    const waiting = await Promise.all(
      ["b", "c", "d"].map((name) => context.execute({ code: `order += '${name}'` })),
    );
    expect(context).toMatchObject({ queued: 3, state: "busy" });
    expect(await refusal(context.execute({ code: "1" }))).toMatchObject({ code: "busy" });
    const [, second] = waiting;
    expect((await second?.cancel("requested"))?.end).toEqual({ cause: "cancelled", reason: "requested" });
    expect(context.queued).toBe(2);
    for await (const event of first.events()) if (event.type === "input_request") first.answer("go");
    expect((await told(second ?? first)).events.map(({ type }) => type)).toEqual(["ended"]);
    expect(only(await execute(context, "order"), "result")[0]?.data).toEqual({
      "text/plain": "['a', 'b', 'd']",
    });
  });

  test("has a default for each language, which is shared and made anew when it has died", async () => {
    await using lab = await openKernels();
    const [one, two] = await Promise.all([lab.contexts.default("python"), lab.contexts.default("python")]);
    expect(one).toBe(two);
    await execute(one, "import os; os._exit(0)");
    const fresh = await lab.contexts.default("python");
    expect(fresh).not.toBe(one);
    expect(fresh.state).toBe("idle");
    expect(lab.contexts.get(one.id)).toBeUndefined();
    await lab.contexts.delete(fresh.id);
    expect(await lab.contexts.default("python")).not.toBe(fresh);
  });

  test("is refused with the reason when it cannot be made", async () => {
    await using lab = await openKernels({ maxContexts: 1 });
    const create = (request: Record<string, unknown>) =>
      refusal(lab.contexts.create({ language: "python", ...request }));
    expect(await create({ language: "cobol" })).toMatchObject({ code: "invalid" });
    expect(await create({ cwd: "nowhere" })).toMatchObject({ code: "invalid" });
    expect(await create({ env: { "A=B": "" } })).toMatchObject({ code: "invalid" });
    await lab.contexts.create({ language: "python", id: "mine" });
    expect(await create({ id: "mine" })).toMatchObject({ code: "exists" });
    expect(await create({})).toMatchObject({ code: "busy" });
  });

  test("that has died makes room for another", async () => {
    await using lab = await openPython({}, { maxContexts: 1 });
    await execute(lab.context, "import os; os._exit(1)");
    const next = await lab.contexts.create({ language: "python" });
    expect(lab.contexts.list()).toEqual([next]);
  });

  test("says what the kernel said when it does not come up", async () => {
    await using lab = await openKernels();
    const env = { PYTHONHOME: "/nowhere" };
    const error = await refusal(lab.contexts.create({ language: "python", env }));
    expect(error.code).toBe("unavailable");
    expect(error.message).toMatch(/Cannot start a Python kernel: exited with code 1; it said: .*encodings/s);
    expect(lab.contexts.list()).toEqual([]);
  });

  test("is deleted when it was idle for too long, and not while it works", async () => {
    await using lab = await openPython({}, { contextIdleMs: 300 });
    const { end } = await execute(lab.context, "import time; time.sleep(1)");
    expect(end).toEqual(ok);
    await until(() => lab.contexts.list().length === 0);
  });

  test("ends what it runs when it is deleted", async () => {
    await using lab = await openPython();
    const { context } = lab;
    const run = await context.execute({ code: BUSY });
    const waiting = await context.execute({ code: "1" });
    await run.begun;
    expect(await lab.contexts.delete(context.id)).toBe(true);
    const end = { cause: "cancelled", reason: "requested" } as const;
    const done = await told(run);
    expect(done.end).toEqual(end);
    expect(only(done, "failed")).toMatchObject([{ name: "ContextDeleted" }]);
    expect((await waiting.outcome).end.cause).toBe("lost");
    expect(await refusal(context.execute({ code: "1" }))).toMatchObject({ code: "gone" });
    expect(await lab.contexts.delete(context.id)).toBe(false);
  });
});
