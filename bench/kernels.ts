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
    ...(await freshRows()),
    ...(await copyRows()),
  );
  return rows;
}

/** No kernel that waits has a limit: each of these is made when it is asked for. */
const FRESH = { language: "python", limits: { openFiles: 1000 } } as const;

async function freshRows(): Promise<Row[]> {
  const forked = await makeFresh(1);
  const started = await makeFresh(0);
  return [
    row("memory of a Python kernel that waits, its share (PSS)", "MiB", forked.waiting),
    {
      ...row("new Python context, its kernel forked", "ms", forked.ms),
      ratio: median(forked.ms) / median(started.ms),
    },
    row("  floor: its kernel started", "ms", started.ms),
    {
      ...row("processor time of a forked kernel until it is ready", "s", forked.cpu),
      ratio: median(forked.cpu) / median(started.cpu),
    },
    row("  floor: of a started kernel", "s", started.cpu),
    row("memory of a forked kernel, its share (PSS)", "MiB", forked.share),
    row("  floor: of a started kernel", "MiB", started.share),
  ];
}

/** A copy of a context beside the least that one could cost: a bare fork of the same process. */
async function copyRows(): Promise<Row[]> {
  await using kernels = await openKernels({ kernelPoolSize: 1, kernelPoolLanguages: ["python"] });
  const { contexts } = kernels;
  while (contexts.waiting === 0) await Bun.sleep(20);
  const context = await contexts.create({ language: "python" });
  const print = async (code: string) => {
    await using run = await context.execute({ code });
    await run.outcome;
    return Number(Buffer.from((await run.journal.tail("stdout", 100)).bytes).toString());
  };
  await print("import os, time, warnings; warnings.simplefilter('ignore'); big = os.urandom(100 * 2**20)");
  const fork =
    "t = time.perf_counter(); p = os.fork()\nif p == 0: os._exit(0)\nos.waitpid(p, 0); print((time.perf_counter() - t) * 1000)";
  const [copies, forks, share]: [number[], number[], number[]] = [[], [], []];
  for (let i = 0; i < 10; i++) {
    const begun = performance.now();
    const copy = await contexts.copy(context);
    copies.push(performance.now() - begun);
    share.push(await ownShare(copy.pid ?? 0));
    await contexts.delete(copy.id);
    forks.push(await print(fork));
  }
  return [
    { ...row("copy of a Python context with 100 MiB", "ms", copies), ratio: median(copies) / median(forks) },
    row("  floor: a bare fork of its process", "ms", forks),
    row("memory of the copy, its share (PSS)", "MiB", share),
  ];
}

/** Four kernels at once are what shares memory; their costs are taken one after the other. */
async function makeFresh(
  kernelPoolSize: number,
): Promise<Record<"ms" | "cpu" | "share" | "waiting", number[]>> {
  const others = kernelPids();
  await using kernels = await openKernels({ kernelPoolSize });
  const { contexts } = kernels;
  const first = await contexts.create(FRESH);
  if (kernelPoolSize > 0) while (contexts.waiting === 0) await Bun.sleep(20);
  await contexts.delete(first.id);
  const waiting = await Promise.all(
    kernelPids().flatMap((pid) => (others.includes(pid) ? [] : [ownShare(pid)])),
  );
  const made = { ms: [] as number[], cpu: [] as number[], share: [] as number[], waiting };
  for (let i = 0; i < 10; i++) {
    const begun = performance.now();
    const context = await contexts.create(FRESH);
    made.ms.push(performance.now() - begun);
    made.cpu.push(context.usage?.cpuSeconds ?? Number.NaN);
    if (context.isForked !== kernelPoolSize > 0) throw new Error("a kernel was not made as it should be");
    if (i % 4 === 3) for (const { pid = 0 } of contexts.list()) made.share.push(await ownShare(pid));
    if (i % 4 === 3) for (const { id } of contexts.list()) await contexts.delete(id);
  }
  return made;
}

/** Memory of a process in MiB, of shared pages its part. */
async function ownShare(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? Number.NaN) / 1024;
}
