import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { describeEnd } from "../../../src/engine/run.ts";
import { refusal, until } from "../../support/engine.ts";
import { execute, only, openKernels, openPython, told } from "../../support/kernels.ts";
import { readStat } from "../../../src/engine/process/proc.ts";

setDefaultTimeout(60_000);

const ok = { cause: "exited", code: 0 } as const;

describe("a kernel that dies", () => {
  test.each([
    ["by exit", "import os; os._exit(3)", { cause: "exited", code: 3 }],
    ["by exit 0", "import os; os._exit(0)", { cause: "exited", code: 0 }],
    ["by SIGKILL", "import os; os.kill(os.getpid(), 9)", { cause: "signalled", signal: "SIGKILL" }],
    ["by a crash", "import ctypes; ctypes.string_at(0)", { cause: "signalled", signal: "SIGSEGV" }],
  ] as const)("%s says so in the run, in the context and to the next", async (_, code, end) => {
    await using lab = await openPython();
    const { context } = lab;
    const run = await context.execute({ code: `print('last words', flush=True); ${code}` });
    const waiting = await context.execute({ code: "1" });
    const done = await told(run);
    expect(done.end).toEqual(end);
    expect(only(done, "failed")).toMatchObject([{ name: "KernelDied" }]);
    expect(describeEnd((await waiting.outcome).end)).toMatch(/lost: The kernel (was killed|exited)/);
    expect(context).toMatchObject({ state: "dead", death: end, pid: undefined });
    const refused = await refusal(context.execute({ code: "1" }));
    expect(refused).toMatchObject({ code: "gone", details: { death: end } });
    expect(await refusal(context.interrupt())).toMatchObject({ code: "gone" });
    expect(await refusal(context.restart())).toMatchObject({ code: "gone" });
  });

  test("of its memory limit says so", async () => {
    await using kernels = await openKernels();
    if (!kernels.lab.engine.containment.enforces.memory) return;
    const limits = { memoryBytes: 256 * 1024 * 1024 };
    const context = await kernels.contexts.create({ language: "python", limits });
    const done = await execute(context, "x = bytearray(1024**3)\nfor i in range(0, len(x), 4096): x[i] = 1");
    expect(done.end).toEqual({ cause: "out_of_memory", limitBytes: limits.memoryBytes });
    expect(context.death).toEqual(done.end);
  });

  test("between two runs by the user's exit() leaves the run its true end", async () => {
    await using lab = await openPython();
    const done = await execute(lab.context, "exit()");
    expect(done.end).toEqual(ok);
    await until(() => lab.context.state === "dead");
    expect(lab.context.death).toEqual(ok);
  });

  test("takes what it started with it", async () => {
    await using lab = await openPython();
    const code =
      "import subprocess; p = subprocess.Popen(['setsid', 'sleep', '600']); print(p.pid, flush=True)";
    const pid = Number((await execute(lab.context, code)).stdout);
    process.kill(lab.context.pid ?? 0, "SIGKILL");
    await until(() => lab.context.state === "dead");
    await until(() => !isAlive(pid));
    expect(lab.context.death).toEqual({ cause: "signalled", signal: "SIGKILL" });
  });
});

/** A zombie that nobody has collected yet has ended too. */
function isAlive(pid: number): boolean {
  return !["Z", "X"].includes(readStat(pid)?.state ?? "X");
}
