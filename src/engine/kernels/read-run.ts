import type { Journal, JournalEntry } from "../process/journal.ts";
import { STREAMS, type Cursor, type RunEvent, type RunId, type RunOutcome, type Stream } from "../run.ts";
import type { RichLog } from "./rich-log.ts";

/** What there is to read of a run in a kernel. */
export interface ReadableRun {
  readonly id: RunId;
  readonly pid: number | undefined;
  readonly begun: Promise<void>;
  readonly journal: Journal;
  readonly outcome: Promise<RunOutcome>;
  readonly ended: RunOutcome | undefined;
}

/**
 * Tells a run from a cursor on: bytes and rich events in the order in which they came, up to and including the
 * end. Each rich event knows what the streams had carried when it came, and is told right after those bytes.
 * @param richEnd How many rich events there were at the end of the run.
 */
export async function* readRun(
  run: ReadableRun,
  rich: RichLog,
  richEnd: () => number,
  from: Cursor,
): AsyncGenerator<RunEvent, void> {
  await run.begun;
  if (run.pid !== undefined) yield { type: "started", id: run.id, pid: run.pid };
  const reader = run.journal.read({ stdout: from.stdout, stderr: from.stderr });
  const position: Record<Stream, number> = { stdout: from.stdout, stderr: from.stderr };
  let next = from.rich ?? 0;
  let entry: JournalEntry | undefined;
  const stands = (at: Cursor) => STREAMS.every((stream) => position[stream] >= at[stream]);
  const pace = run.journal.pace.join(position);
  try {
    for (;;) {
      const changed = run.journal.changed();
      if (run.ended && next >= richEnd() && stands(run.ended.totals)) break;
      // Asked twice where there seems to be nothing: bytes may have come since the first answer was made.
      entry ??= (await reader.next()) ?? (await reader.next());
      // From here to the end of the turn nothing can come in between.
      const { ended } = run;
      const event = ended && next >= richEnd() ? undefined : rich.read(next);
      const [now, later] = split(entry, { mark: event?.at, end: ended?.totals });
      if (event && (now === undefined || stands(event.at))) {
        next = event.event.index + 1;
        yield event.event;
      } else if (now) {
        position[now.stream] = now.offset + lengthOf(now);
        entry = later;
        pace.moved({ ...position });
        yield now;
      } else if (entry) entry = undefined;
      else if (ended) break;
      else await changed;
    }
  } finally {
    pace.left();
  }
  const { end, usage } = await run.outcome;
  yield { type: "ended", end, usage };
}

/** Cuts an entry where the next rich event stands, and throws away what came after the end. */
function split(
  entry: JournalEntry | undefined,
  { mark, end }: { readonly mark: Cursor | undefined; readonly end: Cursor | undefined },
): [now: JournalEntry | undefined, later: JournalEntry | undefined] {
  if (entry === undefined) return [undefined, undefined];
  const told = end ? part(entry, 0, end[entry.stream] - entry.offset) : entry;
  if (told === undefined || mark === undefined) return [told, undefined];
  const room = mark[entry.stream] - entry.offset;
  return [part(told, 0, room), part(told, room, lengthOf(told))];
}

function part(entry: JournalEntry, from: number, to: number): JournalEntry | undefined {
  const [start, end] = [Math.max(0, from), Math.min(lengthOf(entry), to)];
  if (start >= end) return undefined;
  if (start === 0 && end === lengthOf(entry)) return entry;
  const offset = entry.offset + start;
  if (entry.type === "dropped") return { ...entry, offset, length: end - start };
  return { ...entry, offset, bytes: entry.bytes.subarray(start, end) };
}

function lengthOf(entry: JournalEntry): number {
  return entry.type === "dropped" ? entry.length : entry.bytes.byteLength;
}
