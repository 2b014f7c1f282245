import type { SignalName } from "../run.ts";
import type { ProcessRun } from "./process-run.ts";

/** Longer than the grace before SIGKILL usually is, shorter than any client waits for an answer. */
const WAIT_MS = 20_000;

/**
 * Stops a run as a whole: politely and then by force, or with a signal of the caller's choice, which the
 * program may heed, survive or ignore.
 * @returns Whether it has ended; what can take its time is not waited for.
 */
export async function stopRun(run: ProcessRun, signal: SignalName | undefined): Promise<boolean> {
  if (signal === undefined) void run.cancel("requested");
  else run.signal(signal);
  if (signal === undefined || signal === "SIGKILL") await endOrTimeUp(run, WAIT_MS);
  return run.hasEnded;
}

/** Settles when the run ends, the time is up or whoever waits has gone. */
export async function endOrTimeUp(run: ProcessRun, ms: number, gone?: AbortSignal): Promise<void> {
  const { promise: enough, resolve }: PromiseWithResolvers<void> = Promise.withResolvers();
  const timer = setTimeout(resolve, ms);
  const leave = () => resolve();
  if (gone?.aborted) leave();
  gone?.addEventListener("abort", leave, { once: true });
  await Promise.race([run.outcome, enough]);
  clearTimeout(timer);
  gone?.removeEventListener("abort", leave);
}
