import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KernelContext } from "../../../src/engine/kernels/context.ts";
import type { ContextRequest } from "../../../src/engine/kernels/contexts.ts";
import { isSame, listProcesses, readStat, type ProcessStat } from "../../../src/engine/process/proc.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";
import { execute, forkServerPids, kernelPids, only, openKernels } from "../../support/kernels.ts";

setDefaultTimeout(60_000);

type Kernels = Awaited<ReturnType<typeof openKernels>>;

/** Of kernels with a limit none waits: each is made for its context. */
const MADE = { language: "python", limits: { openFiles: 1000 } } as const;

/** A context whose kernel was forked for it. */
async function forked({ contexts }: Kernels, request: Partial<ContextRequest> = {}): Promise<KernelContext> {
  return until(async () => {
    const context = await contexts.create({ ...MADE, ...request });
    if (context.isForked === true) return context;
    await contexts.delete(context.id);
    return undefined;
  });
}

/** What can be known of a kernel from inside, as text. */
const FACTS: readonly (readonly [string, string])[] = [
  ["variables", "import os; print(sorted(os.environ.items()))"],
  ["variables of its programs", "import os; print(sorted(os.popen('env').read().splitlines()))"],
  ["the directory", "import os; print(os.getcwd(), _dh)"],
  ["arguments", "import sys; print(sys.argv, sys.orig_argv, sys.executable, sys.prefix)"],
  ["where modules are found", "import sys; print(sys.path)"],
  ["flags", "import sys; print(sys.flags, sys.warnoptions, sys._xoptions, __debug__)"],
  ["its name", "import sys; print(__name__, sys.modules['__main__'].__dict__ is globals())"],
  ["its first names", "print(sorted(globals()))"],
  ["threads", "import threading; print(sorted(type(t).__name__ for t in threading.enumerate()))"],
  [
    "signals",
    "import signal; print([(s.name, str(signal.getsignal(s))[:20]) for s in sorted(signal.valid_signals()) if hasattr(s, 'name')])",
  ],
  ["blocked signals", "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"],
  ["limits", "import resource; print([resource.getrlimit(i) for i in range(16)])"],
  ["its umask", "import os; print(oct(os.umask(0o22)))"],
  [
    "its session, group and parent",
    "import os; print(os.getsid(0) == os.getpgid(0) == os.getpid(), os.getppid())",
  ],
  ["its user", "import os; print(os.getresuid(), os.getresgid(), os.getgroups(), os.nice(0))"],
  ["streams", "import sys; print(sys.stdout.encoding, sys.__stdout__.encoding, sys.__stderr__.errors)"],
  [
    "its standard descriptors",
    "import os; print([os.readlink(f'/proc/self/fd/{fd}').split(':')[0] for fd in (0, 1, 2)])",
  ],
  ["locale and encodings", "import locale, sys; print(locale.getlocale(), sys.getfilesystemencoding())"],
  ["where temporary files go", "import tempfile; print(tempfile.gettempdir())"],
  ["history", "print(len(In), len(Out), get_ipython().execution_count)"],
  ["what its descriptors print", "import os; os.write(1, b'one\\n'); os.system('echo two')"],
  ["a traceback", "def f():\n  raise ValueError(1)\nf()"],
  [
    "a program of several processes",
    "import multiprocessing as m\nprint(m.get_context('fork').Pool(2).map(abs, [-1, -2]))",
  ],
  ["a help text", "print(len.__doc__)\nlen?"],
  ["figures", "import matplotlib; print(matplotlib.get_backend())"],
];

function threadsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return 0; // It has just ended.
  }
}

describe("a forked kernel is as one that was started:", () => {
  let root: string;
  let cold: Kernels;
  let warm: Kernels;
  let pair: readonly [KernelContext, KernelContext];

  beforeAll(async () => {
    root = realpathSync(mkdtempSync(join(tmpdir(), "test-forks-")));
    mkdirSync(join(root, "place"));
    [cold, warm] = [
      await openKernels({ allowedRoots: [root] }),
      await openKernels({ allowedRoots: [root], kernelPoolSize: 1 }),
    ];
    const request = { ...MADE, cwd: join(root, "place"), env: { MINE: "ä b" } };
    pair = [await cold.contexts.create(request), await forked(warm, request)];
  });

  afterAll(async () => {
    await cold[Symbol.asyncDispose]();
    await warm[Symbol.asyncDispose]();
    rmSync(root, { recursive: true });
  });

  test.each(FACTS)("%s", async (_, code) => {
    const [one, other] = await Promise.all(
      pair.map(async (context, index) => {
        const lab = index === 0 ? cold.lab : warm.lab;
        const { end, stdout, stderr, ...done } = await execute(context, code);
        const failed = only({ end, stdout, stderr, ...done }, "failed").map(({ traceback }) => traceback);
        return (
          JSON.stringify({ end, stdout, stderr, failed })
            .replaceAll(join(lab.temporary, ".."), "ROOT")
            .replace(/sanderling-scratch-\w+/g, "SCRATCH")
            .replace(/\/k[0-9a-f-]{13}\//g, "/KERNEL/")
            .replace(/run_\w+/g, "RUN")
            .replace(/test-engine-\w+/g, "ENGINE")
            .replace(/ipykernel_\d+/g, "CELL")
            .replace(/ at 0x[0-9a-f]+/g, "")
            // Set by the shell that sets a limit of open files where a program is started.
            .replace(/\('PWD', '[^']*'\), /, "")
        );
      }),
    );
    expect(other).toBe(one ?? "");
  });

  test("it was forked, and is the daemon's own child", () => {
    expect(pair.map(({ isForked }) => isForked)).toEqual([false, true]);
    expect(readStat(pair[1].pid ?? 0)).toMatchObject({ parent: process.pid, session: pair[1].pid });
  });
});

describe("forked kernels", () => {
  test("have random numbers of their own", async () => {
    await using kernels = await openKernels({ kernelPoolSize: 1, kernelPoolLanguages: ["python"] });
    const contexts = await Promise.all([forked(kernels), forked(kernels)]);
    const code =
      "import random, uuid, tempfile, secrets, ssl, os\nimport numpy.random\nfor n in [random.random(), uuid.uuid4(), next(tempfile._get_candidate_names()), secrets.token_hex(8), ssl.RAND_bytes(8).hex(), numpy.random.random(), os.urandom(8).hex()]: print(n)";
    const [one = [], other = []] = await Promise.all(
      contexts.map(async (context) => (await execute(context, code)).stdout.trim().split("\n")),
    );
    expect(one).toHaveLength(7);
    expect(one.filter((value) => other.includes(value))).toEqual([]);
  });

  test("import what was installed a moment ago", async () => {
    await using kernels = await openKernels({ kernelPoolSize: 1, inheritedEnvironment: {} });
    const packages = join(kernels.lab.workspace, "packages");
    mkdirSync(packages);
    await kernels.lab.engine.variables.merge({ PYTHONPATH: packages });
    await forked(kernels);
    const [before] = forkServerPids();
    writeFileSync(join(packages, "brand_new.py"), "value = 42");
    const context = await kernels.contexts.create(MADE);
    expect((await execute(context, "import brand_new; print(brand_new.value)")).stdout).toBe("42\n");
    // What was loaded may have been replaced too: the fork server is another one then.
    await forked(kernels);
    expect(forkServerPids()).not.toContain(before ?? 0);
  });

  test.each([
    ["while True: pass"],
    ["import time; time.sleep(600)"],
    ["import os; os.system('sleep 600')"],
    ["import asyncio; await asyncio.sleep(600)"],
  ])("heed an interrupt and keep their variables: %s", async (code) => {
    await using kernels = await openKernels({ kernelPoolSize: 1, kernelPoolLanguages: ["python"] });
    const context = await forked(kernels);
    await execute(context, "kept = 5");
    const run = await context.execute({ code: `print('READY', flush=True)\n${code}` });
    await until(() => run.journal.totals.stdout > 0);
    expect(await context.interrupt()).toBe("interrupted");
    expect((await run.outcome).end.cause).toBe("exited");
    expect((await execute(context, "print(kept)")).stdout).toBe("5\n");
  });

  test.each([
    ["by exit", "import os; os._exit(3)", { cause: "exited", code: 3 }],
    ["by SIGKILL", "import os; os.kill(os.getpid(), 9)", { cause: "signalled", signal: "SIGKILL" }],
    ["by a crash", "import ctypes; ctypes.string_at(0)", { cause: "signalled", signal: "SIGSEGV" }],
    [
      "by the user's exit()",
      "import atexit; atexit.register(lambda: open('left', 'w').close())\nexit()",
      { cause: "exited", code: 0 },
    ],
  ] as const)("that die %s say so, and leave nothing", async (name, code, end) => {
    await using kernels = await openKernels({ kernelPoolSize: 1, kernelPoolLanguages: ["python"] });
    const context = await forked(kernels);
    const { pid = 0 } = context;
    await execute(context, code);
    await until(() => context.state === "dead");
    expect(context.death).toEqual(end);
    expect(readStat(pid)).toBeUndefined();
    if (name.includes("exit()")) expect(readdirSync(kernels.lab.workspace)).toContain("left");
    expect((await forked(kernels)).death).toBeUndefined();
  });

  test("that need more memory than they may say so", async () => {
    await using kernels = await openKernels({ kernelPoolSize: 1, kernelPoolLanguages: ["python"] });
    if (!kernels.lab.engine.containment.enforces.memory) return;
    const limits = { memoryBytes: 256 * 1024 * 1024 };
    const context = await forked(kernels, { limits });
    const done = await execute(context, "x = bytearray(1024**3)\nfor i in range(0, len(x), 4096): x[i] = 1");
    expect(done.end).toEqual({ cause: "out_of_memory", limitBytes: limits.memoryBytes });
  });

  test("outlive what they were forked from, and there is another for the next", async () => {
    await using kernels = await openKernels({ kernelPoolSize: 1, kernelPoolLanguages: ["python"] });
    const context = await forked(kernels);
    await execute(context, "kept = 5");
    const before = await until(() => forkServerPids()[0]);
    process.kill(before, "SIGKILL");
    expect((await execute(context, "print(kept)")).stdout).toBe("5\n");
    const next = await forked(kernels);
    expect(forkServerPids()).not.toContain(before);
    process.kill(context.pid ?? 0, "SIGTERM");
    await until(() => context.state === "dead");
    expect(context.death).toEqual({ cause: "signalled", signal: "SIGTERM" });
    expect((await execute(next, "1")).end).toEqual({ cause: "exited", code: 0 });
  });

  test("are none where a kernel must be started: for other variables, and without a pool", async () => {
    await using kernels = await openKernels({ kernelPoolSize: 1, kernelPoolLanguages: ["python"] });
    await forked(kernels);
    const zoned = await kernels.contexts.create({ ...MADE, env: { TZ: "Asia/Tokyo" } });
    expect((await execute(zoned, "import time; print(time.tzname[0])")).stdout).toBe("JST\n");
    expect(zoned.isForked).toBe(false);
    await using none = await openKernels({ kernelPoolSize: 0, warmInterpreters: 2 });
    expect((await none.contexts.create(MADE)).isForked).toBe(false);
    expect((await none.contexts.create(MADE)).isForked).toBe(false);
  });

  test("take with them what they started, also where there are no cgroups", async () => {
    await using kernels = await openKernels({ kernelPoolSize: 1, containment: "process_group" });
    const context = await forked(kernels);
    const code =
      "import subprocess; p = subprocess.Popen(['setsid', 'sleep', '600']); print(p.pid, flush=True)";
    const pid = Number((await execute(context, code)).stdout);
    const left = readStat(pid);
    process.kill(context.pid ?? 0, "SIGKILL");
    await until(() => context.state === "dead" && (left === undefined || !isSame(left)));
    expect(context.death).toEqual({ cause: "signalled", signal: "SIGKILL" });
    expect(forkServerPids()).toHaveLength(1);
  });

  test("and copies of them end by themselves when their daemon is killed", async () => {
    await using daemon = await TestDaemon.start({
      withPython: true,
      env: { SANDERLING_KERNEL_POOL_SIZE: "1", SANDERLING_KERNEL_POOL_LANGUAGES: "python" },
    });
    const children = () => listProcesses().filter(({ parent }) => parent === daemon.child.pid);
    const isKernel = ({ pid }: ProcessStat) => threadsOf(pid) > 1;
    const before = await until(() => {
      const all = children();
      return all.some(isKernel) ? all : undefined;
    });
    await daemon.post("/execute/ipython", { code: "kept = 1", session_id: "mine" });
    const copy = (await daemon.post("/jupyter/sessions/mine/fork", {})).body.pid ?? 0;
    before.push(...children().filter(({ pid }) => !before.some((seen) => seen.pid === pid)));
    expect(before.map(({ pid }) => pid)).toContain(copy);
    await daemon.stop("SIGKILL");
    await until(() => before.every((seen) => !isSame(seen)));
  });

  test("leave no process when they are done with", async () => {
    {
      await using kernels = await openKernels({ kernelPoolSize: 1, kernelPoolLanguages: ["python"] });
      await forked(kernels);
    }
    expect([...kernelPids(), ...forkServerPids()]).toEqual([]);
  });
});
