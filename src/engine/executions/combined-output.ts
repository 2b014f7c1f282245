import type { Journal } from "../process/journal.ts";

export interface CombinedOutput {
  /** In pieces, in order of arrival. */
  readonly bytes: AsyncGenerator<Uint8Array>;
  /** The cursor after them. */
  readonly end: number;
}

/**
 * What a run has printed so far from a cursor on, both streams as one in order of arrival; what is no longer kept
 * is left out. A cursor beyond the end is taken for the end.
 * @param cursor Bytes of both streams together.
 */
export function readCombined(journal: Journal, cursor: number): CombinedOutput {
  const { stdout, stderr } = journal.totals;
  const end = stdout + stderr;
  const from = Math.min(cursor, end);
  return { bytes: read(journal, from, end - from), end };
}

async function* read(journal: Journal, from: number, length: number): AsyncGenerator<Uint8Array> {
  const reader = journal.read(journal.locate(from));
  let left = length;
  while (left > 0) {
    const entry = await reader.next();
    if (entry === undefined) return;
    if (entry.type === "output") yield entry.bytes.subarray(0, left);
    left -= entry.type === "output" ? entry.bytes.byteLength : entry.length;
  }
}
