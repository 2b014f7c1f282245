/** The benchmark was told to stop (Ctrl-C, or SIGTERM). */
export class Interrupted extends Error {}

/** Told by the signals that ask a program to end. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => controller.abort(new Interrupted(`stopped by ${signal}`)));
  return controller.signal;
}

/** Gives up waiting when the signal comes; whoever owns what is waited for then ends it. */
export async function unlessStopped<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const stopped = Promise.withResolvers<never>();
  const stop = () => stopped.reject(signal.reason as Error);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  // What is given up may fail later, when its daemon has gone.
  work.catch(() => undefined);
  try {
    return await Promise.race([work, stopped.promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
