import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { until } from "../../support/engine.ts";
import { execute, kernelPids, openKernels } from "../../support/kernels.ts";

setDefaultTimeout(300_000);

/** What this process holds open, by what it is; the runtime's own come and go. */
function openThings(root: string): string[] {
  return readdirSync("/proc/self/fd")
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return "";
      }
    })
    .filter(
      (target) => target.startsWith("socket:") || target.startsWith("pipe:") || target.startsWith(root),
    );
}

test("a hundred contexts leave no process, socket, file or descriptor", async () => {
  await using kernels = await openKernels({ kernelPoolSize: 1 });
  const { contexts, lab } = kernels;
  const use = async (i: number) => {
    const context = await contexts.create({ language: "python" });
    expect((await execute(context, `${i} + 1`)).end).toEqual({ cause: "exited", code: 0 });
    await contexts.delete(context.id);
  };
  const rest = () => ({
    open: openThings(lab.temporary).length,
    files: readdirSync(lab.temporary, { recursive: true }).length,
    processes: kernelPids().length,
  });
  const isQuiet = () => contexts.waiting === 1 && kernelPids().length === 1;
  // What is made once, such as the pool's own kernel, is there before the count.
  for (let i = 0; i < 3; i++) await use(i);
  await until(isQuiet);
  const before = rest();
  let used = 0;
  const lane = async () => {
    while (used < 100) await use(used++);
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
  await until(isQuiet);
  await until(() => Bun.deepEquals(rest(), before));
  expect(contexts.list()).toEqual([]);
});
