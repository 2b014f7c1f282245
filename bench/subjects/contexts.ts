import { readFileSync } from "node:fs";
import type { KernelContexts } from "../../src/engine/kernels/contexts.ts";
import { execute, openKernels } from "../../test/support/kernels.ts";
import { until } from "../../test/support/engine.ts";
import { BareKernel } from "../floors/bare-kernel.ts";
import type { Contender, Subject } from "../harness/scenario.ts";
import { median } from "../harness/statistics.ts";
import { needOwnPython, type Stage } from "../harness/stage.ts";
import { waitingFor } from "../harness/usage.ts";

const CODE = "1+1";
/** No kernel that waits has a limit: one for such a context is made when it is asked for. */
const FRESH = { language: "python", limits: { openFiles: 1000 } } as const;
const HUNDRED_MIB = `import os, time, warnings
warnings.simplefilter("ignore")
big = os.urandom(100 * 2**20)`;
const BARE_FORK = `begun = time.perf_counter()
child = os.fork()
if child == 0: os._exit(0)
os.waitpid(child, 0)
print((time.perf_counter() - begun) * 1000)`;

export const contexts: Subject = {
  name: "contexts",
  title: "Contexts: kernels with state",
  about:
    "The engine alone, without HTTP, beside ipykernel spoken to over bare sockets: signed requests, no checks, no output kept.",
  scenarios: [
    {
      name: "execute",
      what: `${CODE} in a Python context, to its end`,
      targets: [
        { asked: "at most 1.3 of ipykernel over bare sockets", anyOf: [{ figure: "ratio", atMost: 1.3 }] },
      ],
      patience: 4,
      open: async (stage) => {
        const contexts = await kernelsOf(stage);
        const context = await contexts.create({ language: "python" });
        const bare = await stage.use(BareKernel.start());
        const call = async () => {
          await using run = await context.execute({ code: CODE });
          for await (const event of run.events()) if (event.type === "failed") throw new Error(event.message);
        };
        return [
          { what: "ours", call },
          { what: "ipykernel over bare sockets", call: () => bare.execute(CODE) },
        ];
      },
    },
    {
      name: "create",
      what: "new Python context, a kernel waits",
      patience: 5,
      targets: [{ asked: "at most 30 ms", anyOf: [{ figure: "p50", atMost: 30 }] }],
      open: async (stage) => {
        const contexts = await kernelsOf(stage);
        await contexts.create({ language: "python" });
        let made: { readonly id: string } | undefined;
        const before = async () => {
          if (made) await contexts.delete(made.id);
          made = undefined;
          await until(() => contexts.waiting > 0);
        };
        return [
          {
            what: "ours",
            before,
            call: async () => void (made = await contexts.create({ language: "python" })),
          },
          { what: "cold ipykernel to its first answer", before, call: () => coldKernel(stage) },
        ];
      },
    },
    {
      name: "fresh",
      what: "new Python context, no kernel waits",
      patience: 3,
      open: async (stage) => {
        const forked = await kernelsOf(stage);
        const started = (await stage.use(openKernels({ kernelPoolSize: 0 }))).contexts;
        await forked.create({ language: "python" });
        await until(() => forked.waiting > 0);
        return [fresh("ours, forked", forked), fresh("ours, started", started)];
      },
    },
    {
      name: "copy",
      what: "copy of a Python context with 100 MiB",
      patience: 3,
      open: async (stage) => {
        const contexts = await kernelsOf(stage);
        const context = await contexts.create({ language: "python" });
        await execute(context, HUNDRED_MIB);
        let copy: { readonly id: string; readonly pid: number | undefined } | undefined;
        const before = async () => {
          if (copy) await contexts.delete(copy.id);
          copy = undefined;
        };
        return [
          {
            what: "ours",
            before,
            call: async () => void (copy = await contexts.copy(context)),
            facts: () => ({ "share of memory of the copy": shareOf([copy?.pid]) }),
          },
          {
            what: "a bare fork of its process",
            before,
            call: async () => Number((await execute(context, BARE_FORK)).stdout),
          },
        ];
      },
    },
    {
      name: "memory",
      what: "memory of a Python kernel that waits",
      unit: "MB",
      isLong: true,
      open: async (stage) => {
        const contexts = await kernelsOf(stage);
        const { id } = await contexts.create({ language: "python" });
        await contexts.delete(id);
        await until(() => contexts.waiting > 0);
        // What this process has started is the kernel.
        return [{ what: "ours", call: () => Promise.resolve(waitingFor(process.pid).mb) }];
      },
    },
  ],
};

/** A context whose kernel is made when it is asked for; as many as four are kept, because what is forked shares memory. */
function fresh(what: string, contexts: KernelContexts): Contender {
  const cpuSeconds: number[] = [];
  const made: { readonly id: string; readonly pid: number | undefined }[] = [];
  return {
    what,
    before: async () => {
      if (made.length < 4) return;
      const oldest = made.shift();
      if (oldest) await contexts.delete(oldest.id);
    },
    call: async () => {
      const context = await contexts.create(FRESH);
      made.push(context);
      cpuSeconds.push(context.usage?.cpuSeconds ?? Number.NaN);
    },
    facts: () => ({
      [`processor time of a kernel until it is ready, ${what}`]: `${median(cpuSeconds).toFixed(3)} s`,
      [`share of memory of a kernel, ${what}`]: shareOf(made.map(({ pid }) => pid)),
    }),
  };
}

/** Memory of processes, of shared pages their part; the median. */
function shareOf(pids: readonly (number | undefined)[]): string {
  const mib = pids.map((pid = 0) => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    return (Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? Number.NaN) * 1024) / 1e6;
  });
  return `${median(mib).toFixed(0)} MB`;
}

async function kernelsOf(stage: Stage) {
  needOwnPython();
  return (await stage.use(openKernels({ kernelPoolSize: 1 }))).contexts;
}

async function coldKernel(stage: Stage): Promise<void> {
  await using fresh = await stage.use(BareKernel.start());
  await fresh.execute("0");
}
