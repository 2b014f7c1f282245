import { EngineError } from "../../engine/error.ts";
import { KernelRun } from "../../engine/kernels/kernel-run.ts";
import { INPUT_CAPACITY } from "../../engine/process/input-pipe.ts";
import { ProcessRun } from "../../engine/process/process-run.ts";
import type { Run, SignalName } from "../../engine/run.ts";

/** What clients do to a run that they watch, whatever kind it is. */

/**
 * Hands input on, waiting while the program does not read it.
 * @throws EngineError `conflict` when it takes none, or no more.
 */
export async function writeInput(run: Run, bytes: Uint8Array): Promise<void> {
  if (run instanceof KernelRun) {
    run.answer(new TextDecoder().decode(bytes));
    return;
  }
  const input = inputOf(run);
  for (let at = 0; at < bytes.byteLength; at += INPUT_CAPACITY / 2) {
    await input.room();
    input.write(bytes.subarray(at, at + INPUT_CAPACITY / 2));
  }
}

/** The program reads an end of file after what was written. @throws EngineError `conflict`. */
export function endInput(run: Run): void {
  inputOf(run).end();
}

/** @throws EngineError `conflict` when it has ended, `unsupported` for a cell that takes SIGINT only. */
export async function sendSignal(run: Run, signal: SignalName): Promise<void> {
  if (run instanceof KernelRun) {
    if (signal !== "SIGINT")
      throw new EngineError(
        "unsupported",
        `Cannot send ${signal} to a cell: it can be interrupted or cancelled`,
      );
    // Before its turn the interrupt would hit the run of somebody else.
    if (run.hasEnded || run.pid === undefined) throw notUnderWay(run);
    await run.context.interrupt();
    return;
  }
  if (!(run instanceof ProcessRun) || !run.signal(signal)) throw notUnderWay(run);
}

function inputOf(run: Run) {
  if (run.hasEnded) throw new EngineError("conflict", `Cannot write to stdin: run ${run.id} has ended`);
  if (run instanceof ProcessRun && run.stdin) return run.stdin;
  throw new EngineError(
    "conflict",
    `Cannot write to stdin: run ${run.id} was not started with stdin_open, so its input was complete from the start`,
  );
}

function notUnderWay(run: Run): EngineError {
  return new EngineError("conflict", `Cannot signal run ${run.id}: it is not under way`);
}
