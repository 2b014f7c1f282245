import { readFile } from "node:fs/promises";
import { kernelPids, openKernels } from "../test/support/kernels.ts";
import { BareKernel } from "./bare-kernel.ts";
import { compare, median, row, sample, type Row } from "./measure.ts";

const CODE = "1+1";

/**
 * Code in a context beside ipykernel spoken to over bare sockets; a context from the kernels that wait beside a
 * cold kernel; what a waiting kernel takes.
 */
export async function kernelRows(rounds: number): Promise<Row[]> {
  await using kernels = await openKernels({ kernelPoolSize: 1 });
  const { contexts } = kernels;
  const context = await contexts.create({ language: "python" });
  await using bare = await BareKernel.start();
  const rows = await compare(
    `context: ${CODE}, to the end`,
    async () => {
      await using run = await context.execute({ code: CODE });
      for await (const event of run.events()) if (event.type === "failed") throw new Error(event.message);
    },
    "ipykernel over bare sockets",
    () => bare.execute(CODE),
    3 * rounds,
  );
  const waiting = async () => {
    while (contexts.waiting === 0) await Bun.sleep(20);
  };
  const fromPool: number[] = [];
  for (let i = 0; i < Math.min(20, rounds); i++) {
    await waiting();
    const started = performance.now();
    const made = await contexts.create({ language: "python" });
    fromPool.push(performance.now() - started);
    await contexts.delete(made.id);
  }
  const cold = async () => {
    await using fresh = await BareKernel.start();
    await fresh.execute("0");
  };
  const colds = await sample(cold, 5);
  await contexts.delete(context.id);
  await waiting();
  rows.push(
    { ...row("new Python context, a kernel waits", "ms", fromPool), ratio: median(fromPool) / median(colds) },
    row("  floor: cold ipykernel to its first answer", "ms", colds),
    row("memory of a Python kernel that waits", "MiB", [(await ownBytes(kernelPids())) / 2 ** 20]),
  );
  return rows;
}

/** Resident memory of a process; the median of several. */
async function ownBytes(pids: readonly number[]): Promise<number> {
  const sizes = pids.map(async (pid) => {
    const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
    return Number(/^Rss:\s+(\d+) kB/m.exec(text)?.[1] ?? Number.NaN) * 1024;
  });
  return median(await Promise.all(sizes));
}
