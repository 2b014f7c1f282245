import type { ProcessRun } from "../process/process-run.ts";

const READY_MS = 20_000;

/** Waits for the first thing that a program prints to stdout: those here do so when they are ready. */
export async function hasPrinted(run: ProcessRun): Promise<boolean> {
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(() => late.resolve(false), READY_MS);
  const told = (async () => {
    for await (const event of run.events())
      if (event.type === "output" && event.stream === "stdout") return true;
    return false;
  })();
  return Promise.race([told, late.promise]).finally(() => clearTimeout(timer));
}
