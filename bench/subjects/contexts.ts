import { openKernels } from "../../test/support/kernels.ts";
import { until } from "../../test/support/engine.ts";
import { BareKernel } from "../floors/bare-kernel.ts";
import type { Subject } from "../harness/scenario.ts";
import { needOwnPython, type Stage } from "../harness/stage.ts";
import { waitingFor } from "../harness/usage.ts";

const CODE = "1+1";

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

async function kernelsOf(stage: Stage) {
  needOwnPython();
  return (await stage.use(openKernels({ kernelPoolSize: 1 }))).contexts;
}

async function coldKernel(stage: Stage): Promise<void> {
  await using fresh = await stage.use(BareKernel.start());
  await fresh.execute("0");
}
