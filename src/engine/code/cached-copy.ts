import { STREAMS, type RunId, type RunOutcome, type Stream } from "../run.ts";

/** The end of a pipe that nobody holds reaches its reader within this many turns of the event loop. */
const TURNS = 10;

/** A run as far as its answer needs it; a `ProcessRun` is one. */
export interface PrintedRun {
  readonly id: RunId;
  readonly pid?: number | undefined;
  readonly journal: {
    tail(stream: Stream, limit: number, end: number): Promise<{ bytes: Uint8Array; totalBytes: number }>;
  };
}

/** A run that has ended; what it left behind may still hold its output. */
export interface EndedRun extends PrintedRun {
  outputClosed(): Promise<void>;
}

/** Whether nobody holds the run's output any more. */
export async function hasLetGo(run: EndedRun): Promise<boolean> {
  const letGo = run.outputClosed().then(() => true);
  const turns = async () => {
    for (let turn = 0; turn < TURNS; turn++) await new Promise((resume) => setImmediate(resume));
    return false;
  };
  return Promise.race([letGo, turns()]);
}

/** The run with what it printed in memory; undefined when the journal no longer has all of it. */
export async function copyRun(
  { id, journal }: PrintedRun,
  { totals }: RunOutcome,
): Promise<PrintedRun | undefined> {
  const [stdout, stderr] = await Promise.all(
    // Copied: what the journal gives may be part of a larger piece of memory, which the entry would hold.
    STREAMS.map(async (stream) => (await journal.tail(stream, totals[stream], totals[stream])).bytes.slice()),
  );
  if (stdout?.byteLength !== totals.stdout || stderr?.byteLength !== totals.stderr) return undefined;
  const kept = { stdout, stderr };
  return {
    id,
    journal: {
      tail: (stream, limit, end) => {
        const bytes = kept[stream].subarray(Math.max(0, end - limit), end);
        return Promise.resolve({ bytes, totalBytes: end });
      },
    },
  };
}
