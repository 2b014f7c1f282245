import { readFile } from "node:fs/promises";

/** Memory of a process that is in the machine's, in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
}

/** Does something, and gives what it gave with how much the memory of a process grew at most meanwhile. */
export async function growthWhile<T>(
  pid: number,
  work: () => Promise<T>,
): Promise<{ value: T; bytes: number }> {
  const before = await residentBytes(pid);
  let peak = before;
  const over = new AbortController();
  const watch = (async () => {
    while (!over.signal.aborted) {
      peak = Math.max(peak, await residentBytes(pid));
      await Bun.sleep(20);
    }
  })();
  try {
    return { value: await work(), bytes: Math.max(0, peak - before) };
  } finally {
    over.abort();
    await watch;
  }
}
