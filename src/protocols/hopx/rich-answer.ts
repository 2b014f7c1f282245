import type { KernelRun } from "../../engine/kernels/kernel-run.ts";
import type { Reply, RequestInfo } from "../../http/route.ts";
import type { HopxContext } from "./context.ts";
import { describeRun } from "./result.ts";
import { answerEnd } from "./run-request.ts";
import { RichOutputs } from "./rich-view.ts";

/** Waits for the end of a run in a kernel and answers with it. A client that goes away stops its run. */
export async function answerCell(
  run: KernelRun,
  request: RequestInfo,
  { maxOutputBytes, cancelOnDisconnect }: HopxContext,
  { fields, isClientLibrary }: { readonly fields: object; readonly isClientLibrary: boolean },
): Promise<Reply> {
  await using running = run;
  request.note({ runId: running.id });
  const rich = await gather(running, cancelOnDisconnect ? request.signal : undefined);
  const outcome = await running.outcome;
  const { end } = outcome;
  request.note({ end: end.cause, runMs: Math.round(outcome.durationMs) });
  const described = await describeRun(running, outcome, maxOutputBytes);
  const body = {
    ...described,
    stderr: withTraceback(described.stderr, rich.traceback),
    ...rich.fields(),
    ...(rich.count === undefined ? {} : { execution_count: rich.count }),
    ...fields,
  };
  return answerEnd(end, body, { what: "Execution", isClientLibrary });
}

async function gather(run: KernelRun, client: AbortSignal | undefined): Promise<RichOutputs> {
  const leave = () => void run.cancel("client_gone");
  if (client?.aborted) leave();
  client?.addEventListener("abort", leave, { once: true });
  const rich = new RichOutputs();
  try {
    for await (const event of run.events()) rich.take(event);
    return rich;
  } finally {
    client?.removeEventListener("abort", leave);
  }
}

/** Clients that know no rich output look for the error in stderr. */
function withTraceback(stderr: string, traceback: string): string {
  if (traceback === "") return stderr;
  return `${stderr}${stderr === "" || stderr.endsWith("\n") ? "" : "\n"}${traceback}`;
}
