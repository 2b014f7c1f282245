import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { placePython } from "../../../src/engine/kernels/place-python.ts";
import { KernelPool } from "../../../src/engine/kernels/pool.ts";
import { startKernel } from "../../../src/engine/kernels/start-kernel.ts";
import { until } from "../../support/engine.ts";
import { execute, kernelPids, only, openKernels } from "../../support/kernels.ts";

setDefaultTimeout(60_000);

const FACTS = `
import os, sys, json
print(json.dumps({
    "cwd": os.getcwd(), "home": [str(p) for p in _dh], "mine": os.environ.get("MINE"), "gone": os.environ.get("GONE"),
    "c": os.popen("echo $MINE").read(), "name": __name__, "in": len(In), "out": len(Out), "last": [_, __],
    "names": sorted(n for n in globals() if not n.startswith("_")), "parent": "SANDERLING_RUN_ID" in os.environ,
}))`;

describe("kernels that wait", () => {
  test("are given out in their place, as if they had been started there", async () => {
    await using kernels = await openKernels({ kernelPoolSize: 1 });
    const { contexts, lab } = kernels;
    await lab.engine.variables.merge({ GONE: "soon" });
    await contexts.delete((await contexts.create({ language: "python" })).id);
    await until(() => contexts.waiting === 1);
    const [waiting] = kernelPids();
    await lab.engine.variables.merge({ GONE: null });
    mkdirSync(join(lab.workspace, "inner"));
    const context = await contexts.create({
      language: "python",
      cwd: "inner",
      env: { MINE: 'it\'s "mine"' },
    });
    expect(context.pid).toBe(waiting);
    const place = realpathSync(context.cwd);
    expect(JSON.parse((await execute(context, FACTS)).stdout)).toEqual({
      ...{ cwd: place, home: [place], mine: 'it\'s "mine"', c: 'it\'s "mine"\n', gone: null },
      ...{ name: "__main__", in: 2, out: 0, last: ["", ""], parent: true },
      names: ["In", "Out", "exit", "get_ipython", "json", "open", "os", "quit", "sys"],
    });
    expect(only(await execute(context, "1"), "result")).toMatchObject([{ count: 2 }]);
  });

  test("are not begun with before a language is used, unless a setting says so", async () => {
    await using kernels = await openKernels({ kernelPoolSize: 1 });
    expect(kernelPids()).toEqual([]);
    expect(kernels.contexts.waiting).toBe(0);
    await using ahead = await openKernels({ kernelPoolSize: 2, kernelPoolLanguages: ["python"] });
    await until(() => ahead.contexts.waiting === 2);
    expect(kernels.contexts.waiting).toBe(0);
  });

  test("are passed over for what is only read at a start, and for limits", async () => {
    await using kernels = await openKernels({ kernelPoolSize: 1, kernelPoolLanguages: ["python"] });
    const { contexts } = kernels;
    await until(() => contexts.waiting === 1);
    const [waiting] = kernelPids();
    const zoned = await contexts.create({ language: "python", env: { TZ: "Asia/Tokyo" } });
    expect(zoned.pid).not.toBe(waiting);
    expect((await execute(zoned, "import time; print(time.tzname[0])")).stdout).toBe("JST\n");
    const limited = await contexts.create({ language: "python", limits: { openFiles: 200 } });
    expect((await execute(limited, "import resource; print(resource.getrlimit(7)[0])")).stdout).toBe("200\n");
    expect((await contexts.create({ language: "python" })).pid).toBe(waiting);
  });

  test("that have died are replaced by one that lives", async () => {
    await using kernels = await openKernels({ kernelPoolSize: 1, kernelPoolLanguages: ["python"] });
    await until(() => kernels.contexts.waiting === 1);
    for (const pid of kernelPids()) process.kill(pid, "SIGKILL");
    const context = await kernels.contexts.create({ language: "python" });
    expect((await execute(context, "1")).end).toEqual({ cause: "exited", code: 0 });
  });

  test("are none where memory is short", async () => {
    await using kernels = await openKernels({
      kernelPoolSize: 1,
      kernelPoolSpareBytes: Number.MAX_SAFE_INTEGER,
    });
    const { contexts } = kernels;
    await contexts.create({ language: "python" });
    await contexts.create({ language: "python" });
    expect(contexts.waiting).toBe(0);
    expect(kernelPids()).toHaveLength(2);
  });

  test("are ended when memory grows short", async () => {
    await using kernels = await openKernels();
    const { engine, temporary, workspace } = kernels.lab;
    const python = kernels.contexts.languages().find(({ language }) => language === "python")?.kernel;
    if (python === undefined) throw new Error("the product's Python has no kernel");
    const context = { runs: engine.runs, scratch: temporary, user: undefined, startTimeoutMs: 30_000 };
    let available = 2000;
    await using pool = new KernelPool({
      ...{ size: 1, spareBytes: 1000, isBusy: () => false, onNotice: () => undefined },
      start: (kind, place, signal) =>
        startKernel(kind, place, { ...context, messageBytes: 1000, onNotice: () => undefined }, signal),
      place: () => ({ cwd: workspace, env: engine.environment, limits: {} }),
      availableMemory: () => available,
    });
    pool.fill({
      ...{ language: "python", title: "Python", spec: python, transport: "ipc", forwardsOutput: true },
      place: placePython,
    });
    await until(() => pool.waiting.length === 1);
    expect(kernelPids()).toHaveLength(1);
    available = 500;
    await until(() => pool.waiting.length === 0 && kernelPids().length === 0);
  });
});
