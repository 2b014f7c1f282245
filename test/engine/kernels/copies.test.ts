import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { KernelContext } from "../../../src/engine/kernels/context.ts";
import { isSame, readStat } from "../../../src/engine/process/proc.ts";
import { refusal, until } from "../../support/engine.ts";
import { execute, kernelPids, only, openKernels, openPython } from "../../support/kernels.ts";

setDefaultTimeout(60_000);

type Kernels = Awaited<ReturnType<typeof openKernels>>;

const ok = { cause: "exited", code: 0 } as const;

/** What code prints. */
async function prints(context: KernelContext, code: string): Promise<string> {
  const { stdout, stderr, end, events } = await execute(context, code);
  if (end.cause !== "exited" || end.code !== 0) throw new Error(`${stderr}${JSON.stringify(events)}`);
  return stdout;
}

describe.each([
  ["started", 0, "auto"],
  ["forked", 1, "auto"],
  ["started where there are no cgroups", 0, "process_group"],
] as const)("of a context whose kernel was %s, a copy", (_, kernelPoolSize, containment) => {
  let kernels: Kernels;
  beforeAll(async () => {
    kernels = await openKernels({ kernelPoolSize, containment });
    if (kernelPoolSize > 0)
      await kernels.contexts.delete((await kernels.contexts.create({ language: "python" })).id);
    if (kernelPoolSize > 0) await until(() => kernels.contexts.waiting > 0);
  });
  afterAll(() => kernels[Symbol.asyncDispose]());

  test("has its variables and changes them alone", async () => {
    const { contexts, lab } = kernels;
    const context = await contexts.create({ language: "python", env: { MINE: "1" } });
    expect(context.isForked).toBe(kernelPoolSize > 0);
    await prints(
      context,
      `
import os, sys, json, random, logging
os.mkdir(os.urandom(4).hex()); os.environ["LATER"] = "2"
counter = 0
def count():
    global counter
    counter += 1
    return counter
class Thing:
    def __init__(self): self.items = [1, 2]
thing = Thing(); alias = thing.items
log = logging.getLogger("mine"); log.addHandler(logging.StreamHandler(sys.stderr)); held = sys.stdout
random.seed(1)
`,
    );
    const copy = await contexts.copy(context);
    expect(copy).toMatchObject({ state: "idle", language: "python", cwd: context.cwd, restarts: 0 });
    expect(copy.id).not.toBe(context.id);
    const code = `
thing.items.append(count()); log.warning("logged"); held.write("held ")
print(counter, alias, os.environ["MINE"], os.environ["LATER"], os.getcwd() == ${JSON.stringify(lab.workspace)}, isinstance(thing, Thing))`;
    expect(await execute(copy, code)).toMatchObject({
      end: ok,
      stdout: "held 1 [1, 2, 1] 1 2 True True\n",
      stderr: "logged\n",
    });
    expect(await prints(copy, "print(count())")).toBe("2\n");
    expect(await prints(context, "print(counter, alias)")).toBe("0 [1, 2]\n");
    // The counter goes on in both.
    expect(only(await execute(context, "len(In)"), "result")).toMatchObject([{ count: 3 }]);
    expect(only(await execute(copy, "len(In)"), "result")).toMatchObject([{ count: 4 }]);
    const numbers = await Promise.all([context, copy].map((each) => prints(each, "print(random.random())")));
    expect(new Set(numbers).size).toBe(2);
    expect(readStat(copy.pid ?? 0)).toMatchObject({
      parent: process.pid,
      session: copy.pid,
      group: copy.pid,
    });
  });

  test("lives on when the original is gone, and its end is known", async () => {
    const { contexts } = kernels;
    const context = await contexts.create({ language: "python" });
    await prints(context, "kept = 1");
    const [first, second] = [await contexts.copy(context), await contexts.copy(context)];
    const third = await contexts.copy(second);
    await contexts.delete(context.id);
    expect(await prints(first, "print(kept)")).toBe("1\n");
    await execute(first, "import os; os._exit(7)");
    await until(() => first.state === "dead");
    expect(first.death).toEqual({ cause: "exited", code: 7 });
    process.kill(second.pid ?? 0, "SIGKILL");
    await until(() => second.state === "dead");
    expect(second.death).toEqual({ cause: "signalled", signal: "SIGKILL" });
    expect(await prints(third, "print(kept)")).toBe("1\n");
    await execute(third, "exit()");
    await until(() => third.state === "dead");
    expect(third.death).toEqual(ok);
  });

  test("takes with it what it has started, and nothing of the original", async () => {
    const { contexts } = kernels;
    const context = await contexts.create({ language: "python" });
    const copy = await contexts.copy(context);
    const start =
      "import subprocess; p = subprocess.Popen(['setsid', 'sleep', '600']); print(p.pid, flush=True)";
    const [its, theirs] = [Number(await prints(copy, start)), Number(await prints(context, start))];
    const [seen, other] = [readStat(its), readStat(theirs)];
    await contexts.delete(copy.id);
    await until(() => seen === undefined || !isSame(seen) || readStat(its)?.state === "Z");
    expect(other !== undefined && isSame(other)).toBe(true);
    expect(await prints(context, "print(p.poll())")).toBe("None\n");
  });
});

describe("a copy", () => {
  let kernels: Kernels;
  beforeAll(async () => {
    kernels = await openKernels({ kernelPoolSize: 1, kernelPoolLanguages: ["python"] });
    await until(() => kernels.contexts.waiting > 0);
  });
  afterAll(() => kernels[Symbol.asyncDispose]());

  const open = () => kernels.contexts.create({ language: "python" });

  test("shares the memory of a large array until one of them writes", async () => {
    const context = await open();
    await prints(context, "import numpy as np; big = np.ones(100 * 2**20 // 8)");
    const copy = await kernels.contexts.copy(context);
    const share = (of: KernelContext) => {
      const text = readFileSync(`/proc/${of.pid}/smaps_rollup`, "utf8");
      return Number(/^Pss_Anon:\s+(\d+) kB/m.exec(text)?.[1]) / 1024;
    };
    expect(share(copy)).toBeLessThan(100);
    await prints(copy, "big[:] = 2");
    expect(share(copy)).toBeGreaterThan(100);
    expect(await prints(context, "print(big.sum() == big.size)")).toBe("True\n");
  });

  test("shows, prints and asks as every kernel", async () => {
    const context = await open();
    await prints(
      context,
      "import os\nimport matplotlib.pyplot as plt\nfigure, axes = plt.subplots(); plt.close(figure)",
    );
    const copy = await kernels.contexts.copy(context);
    const shown = await execute(copy, "plt.plot([1, 2]); plt.show()");
    expect(only(shown, "display").map(({ data }) => Object.keys(data))).toEqual([
      expect.arrayContaining(["image/png"]) as string[],
    ]);
    expect(await prints(copy, "os.write(1, b'raw '); os.system('echo child')")).toBe("raw child\n");
    const asked = await execute(copy, "print('Hello ' + input())", { stdin: "you\n" });
    expect(asked.stdout).toContain("Hello you");
    const failed = await execute(copy, "def f():\n  raise ValueError('mine')\nf()");
    expect(only(failed, "failed")).toMatchObject([{ name: "ValueError", message: "mine" }]);
    expect(await prints(copy, "%timeit -n1 -r1 pass\nget_ipython().run_line_magic('pwd', '')")).toContain(
      "1 loop",
    );
  });

  test("heeds an interrupt that the original does not notice, and the other way round", async () => {
    const context = await open();
    await prints(context, "import time; kept = 1");
    const copy = await kernels.contexts.copy(context);
    const long = "print('READY', flush=True)\nwhile True: time.sleep(0.01)";
    const runs = [await context.execute({ code: long }), await copy.execute({ code: long })] as const;
    await until(() => runs.every(({ journal }) => journal.totals.stdout > 0));
    expect(await copy.interrupt()).toBe("interrupted");
    expect((await runs[1].outcome).end).toEqual({ cause: "exited", code: 1 });
    expect(runs[0].hasEnded).toBe(false);
    expect(await context.interrupt()).toBe("interrupted");
    expect(await prints(copy, "print(kept)")).toBe("1\n");
  });

  test("is made when the context has done what it was asked before", async () => {
    const context = await open();
    const run = await context.execute({
      code: "print('READY', flush=True); input(); done = 'done'",
      stdin: "",
    });
    await until(() => run.journal.totals.stdout > 0);
    const before = await context.execute({ code: "also = 'also'" });
    const copying = kernels.contexts.copy(context);
    const after = await context.execute({ code: "late = 'late'" });
    await run.cancel("requested");
    await Promise.all([before.outcome, after.outcome]);
    const copy = await copying;
    expect(await prints(copy, "print(also, 'late' in globals())")).toBe("also False\n");
  });

  test("that is restarted has a fresh kernel and leaves the original its own", async () => {
    const context = await open();
    await prints(context, "kept = 1");
    const copy = await kernels.contexts.copy(context);
    await copy.restart();
    expect(only(await execute(copy, "kept"), "failed")).toMatchObject([{ name: "NameError" }]);
    expect(await prints(context, "print(kept)")).toBe("1\n");
  });

  test.each([
    [
      "threads",
      "import threading; end = threading.Event(); t = threading.Thread(target=end.wait, name='mine'); t.start()",
      "end.set(); t.join()",
      "mine",
    ],
    [
      "tasks",
      "import asyncio; t = asyncio.get_running_loop().create_task(asyncio.sleep(600), name='mine')",
      "t.cancel()",
      "mine",
    ],
    ["processes", "import subprocess; p = subprocess.Popen(['sleep', '600'])", "p.kill(); p.wait()", "sleep"],
  ] as const)("is refused while the code has %s, which are named", async (what, begin, end, name) => {
    const context = await open();
    await prints(context, begin);
    const error = await refusal(kernels.contexts.copy(context));
    expect(error).toMatchObject({
      code: "conflict",
      details: { [what]: [expect.stringContaining(name) as string] },
    });
    expect(error.message).toContain(name);
    await prints(context, end);
    const copy = await kernels.contexts.copy(context);
    expect(await prints(copy, "print('here')")).toBe("here\n");
    await kernels.contexts.delete(copy.id);
    await kernels.contexts.delete(context.id);
  });

  test("is refused where the kernel cannot be asked or the context is dead", async () => {
    const context = await open();
    await prints(context, "import os; os.close(3)");
    expect(await refusal(kernels.contexts.copy(context))).toMatchObject({ code: "unavailable" });
    expect(await prints(context, "print('still here')")).toBe("still here\n");
    const known = kernels.contexts.list().length;
    const busy = await context.execute({ code: "while True: pass" });
    await busy.begun;
    const waiting = refusal(kernels.contexts.copy(context));
    process.kill(context.pid ?? 0, "SIGKILL");
    expect(await waiting).toMatchObject({ code: "gone" });
    expect(await refusal(kernels.contexts.copy(context))).toMatchObject({ code: "gone" });
    expect(kernels.contexts.list()).toHaveLength(known);
  });
});

test("only Python contexts are copied, and never more than there may be", async () => {
  await using kernels = await openKernels({ maxContexts: 2 });
  const bash = await kernels.contexts.create({ language: "bash" });
  const error = await refusal(kernels.contexts.copy(bash));
  expect(error).toMatchObject({ code: "unsupported" });
  const python = await kernels.contexts.create({ language: "python" });
  expect(await refusal(kernels.contexts.copy(python))).toMatchObject({ code: "busy" });
});

/** The product's Python is below the home directory of root here, who is a user like others. */
test.if(process.getuid?.() === 0)("are made, forked and limited also where code has a user", async () => {
  await using kernels = await openKernels({
    runAs: "root",
    kernelPoolSize: 1,
    kernelPoolLanguages: ["python"],
  });
  const { contexts, lab } = kernels;
  await until(() => contexts.waiting > 0);
  const limits = lab.engine.containment.enforces.processes ? { processes: 50 } : {};
  const context = await contexts.create({ language: "python", limits });
  expect(context.isForked).toBe(true);
  const groups =
    "print(sorted(set(line.split('/')[-1].strip() for line in open('/proc/self/cgroup') if 'run-' in line)))";
  const [own, its] = [await prints(context, groups), await prints(await contexts.copy(context), groups)];
  if (lab.engine.containment.kind === "cgroup")
    expect([own, its].every((each) => /^\['run-\d+'\]$/m.test(each))).toBe(true);
  if (lab.engine.containment.kind === "cgroup") expect(its).not.toBe(own);
});

test("copies leave no process, descriptor or file", async () => {
  await using lab = await openPython();
  const { contexts, context } = lab;
  const rest = () => ({
    open: readdirSync("/proc/self/fd")
      .map(linkOf)
      .filter((target) => /^(socket|pipe):/.test(target)).length,
    files: readdirSync(lab.lab.temporary, { recursive: true }).length,
    kernels: kernelPids().length,
  });
  const copyOnce = async () => {
    const copy = await contexts.copy(context);
    expect(await prints(copy, "print(1)")).toBe("1\n");
    await contexts.delete(copy.id);
  };
  await copyOnce();
  await until(() => kernelPids().length === 1);
  const before = rest();
  for (let i = 0; i < 5; i++) await copyOnce();
  await until(() => Bun.deepEquals(rest(), before));
});

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}
