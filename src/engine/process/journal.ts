import { open, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { STREAMS, type Cursor, type RunEvent, type Stream } from "../run.ts";
import { ByteLog, type LogSlice } from "./byte-log.ts";
import { Pace } from "./pace.ts";

export interface JournalOptions {
  /** Bytes a stream held in memory before it moves to a file. */
  readonly memoryBytes: number;
  /** Bytes a stream kept in all; above it the oldest are dropped and readers are told. */
  readonly retainBytes: number;
  /** The daemon's own folder for the files. */
  readonly directory: string;
  readonly onFault: (cause: unknown) => void;
}

export const JOURNAL_START: Cursor = { stdout: 0, stderr: 0 };

export type JournalEntry = Extract<RunEvent, { type: "output" | "dropped" }>;

export interface StreamSnapshot {
  readonly bytes: Uint8Array;
  /** Bytes the stream has carried in all; more than `bytes` holds when the oldest were left out. */
  readonly totalBytes: number;
}

/** A stretch of one stream in order of arrival: everything of `stream` up to `end` not in an earlier one. */
interface Segment {
  readonly stream: Stream;
  end: number;
}

const MAX_SEGMENTS = 16_384;
const COARSE_GROUP = 64;
const NOTHING = new Uint8Array(0);
const READ_BYTES = 256 * 1024;

/**
 * What one run printed: two byte logs and the order in which their bytes arrived. Any number of readers, each
 * with a cursor of its own, at their own pace; none delays another or the run.
 */
export class Journal {
  readonly #logs: Readonly<Record<Stream, ByteLog>>;
  #segments: Segment[] = [];
  #change: PromiseWithResolvers<void> | undefined;
  #isClosed = false;
  /** Of the readers that are told the run as it goes. */
  readonly pace: Pace;

  constructor(options: JournalOptions) {
    const log = () =>
      new ByteLog({
        memoryBytes: options.memoryBytes,
        retainBytes: options.retainBytes,
        openFile: () => openUnlinked(options.directory),
        onFault: options.onFault,
      });
    this.#logs = { stdout: log(), stderr: log() };
    this.pace = new Pace(options.retainBytes / 2);
  }

  /** Adds what a stream carried; the promise, if any, asks the writer to wait (see `ByteLog.append`). */
  append(stream: Stream, bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.byteLength === 0 || this.#isClosed) return undefined;
    const wait = this.#logs[stream].append(bytes);
    const last = this.#segments.at(-1);
    const end = this.#logs[stream].end;
    if (last?.stream === stream) last.end = end;
    else this.#segments.push({ stream, end });
    if (this.#segments.length > MAX_SEGMENTS) this.#coarsen();
    this.wake();
    const slow = this.pace.wait(this.totals);
    return wait && slow ? Promise.all([wait, slow]).then(() => undefined) : (wait ?? slow);
  }

  /** Bytes so far, one count a stream. */
  get totals(): Cursor {
    return { stdout: this.#logs.stdout.end, stderr: this.#logs.stderr.end };
  }

  /** Settles at the next append or `wake`. Ask before looking, or a change in between is missed. */
  changed(): Promise<void> {
    this.#change ??= Promise.withResolvers();
    return this.#change.promise;
  }

  /** Lets everyone in `changed` look again. */
  wake(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }

  /** A reader of its own pace, from `cursor` on in order of arrival. */
  read(cursor: Cursor = JOURNAL_START): JournalReader {
    return new JournalReader(this.#logs, () => this.#segments, cursor);
  }

  /** The newest `limit` bytes of a stream, up to the offset `end` (default: all there is). */
  async tail(stream: Stream, limit: number, end = this.#logs[stream].end): Promise<StreamSnapshot> {
    const log = this.#logs[stream];
    const parts: Uint8Array[] = [];
    let at = Math.max(log.start, end - limit);
    while (at < end) {
      const slice = await log.read(at, Math.min(READ_BYTES * 4, end - at));
      // Dropped beyond the end asked for, while the read was under way.
      if (slice.bytes.byteLength === 0 || slice.offset >= end) return { bytes: NOTHING, totalBytes: end };
      // A gap in the middle: what came before it is no longer a tail.
      if (slice.offset > at) parts.length = 0;
      parts.push(slice.bytes.subarray(0, end - slice.offset));
      at = slice.offset + slice.bytes.byteLength;
    }
    return { bytes: parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts), totalBytes: end };
  }

  /**
   * Bytes of a stream from an absolute offset on, at most `limit`; empty when there are none yet.
   * The offset told is larger than the one asked for when the oldest bytes have been dropped.
   */
  async slice(stream: Stream, offset: number, limit: number): Promise<LogSlice> {
    const log = this.#logs[stream];
    let first = await log.read(offset, limit);
    const parts = [first.bytes];
    let length = first.bytes.byteLength;
    while (length > 0 && length < limit && first.offset + length < log.end) {
      const next = await log.read(first.offset + length, limit - length);
      if (next.bytes.byteLength === 0) break;
      // A gap in the middle: what came before it has been dropped since.
      if (next.offset > first.offset + length) {
        first = next;
        [parts.length, length] = [0, 0];
      }
      parts.push(next.bytes);
      length += next.bytes.byteLength;
    }
    return { offset: first.offset, bytes: parts.length === 1 ? first.bytes : Buffer.concat(parts) };
  }

  /**
   * Where a reader stands that has read so many bytes of both streams together. Of the oldest output of a run whose
   * streams alternate very often the order is kept only roughly, and so is this.
   */
  locate(bytes: number): Cursor {
    const at: Record<Stream, number> = { stdout: 0, stderr: 0 };
    let left = bytes;
    for (const { stream, end } of this.#segments) {
      const length = Math.min(left, end - at[stream]);
      at[stream] += length;
      left -= length;
      if (left === 0) break;
    }
    return at;
  }

  /** Bytes still held, of both streams together. */
  get heldBytes(): number {
    return STREAMS.reduce((sum, stream) => sum + this.#logs[stream].end - this.#logs[stream].start, 0);
  }

  /** Frees memory and files. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(STREAMS.map((stream) => this.#logs[stream].close()));
    this.wake();
  }

  /** Two streams that alternate byte by byte would need a segment each: the oldest order is kept roughly. */
  #coarsen(): void {
    const half = this.#segments.length / 2;
    const coarse: Segment[] = [];
    for (let i = 0; i < half; i += COARSE_GROUP) {
      const ends: Partial<Record<Stream, number>> = {};
      for (const { stream, end } of this.#segments.slice(i, Math.min(half, i + COARSE_GROUP)))
        ends[stream] = end;
      for (const stream of STREAMS) {
        const end = ends[stream];
        if (end !== undefined) coarse.push({ stream, end });
      }
    }
    this.#segments = [...coarse, ...this.#segments.slice(half)];
  }
}

/** One reader's place in a journal. */
export class JournalReader {
  readonly #logs: Readonly<Record<Stream, ByteLog>>;
  readonly #segments: () => readonly Segment[];
  readonly #cursor: Record<Stream, number>;
  /** Where the last search ended; only good for the list it was made in, which is replaced when coarsened. */
  #hint: { list: readonly Segment[]; index: number } = { list: [], index: 0 };

  constructor(logs: Readonly<Record<Stream, ByteLog>>, segments: () => readonly Segment[], cursor: Cursor) {
    this.#logs = logs;
    this.#segments = segments;
    this.#cursor = { ...cursor };
  }

  /** Where to resume: pass it to `Journal.read`. */
  get cursor(): Cursor {
    return { ...this.#cursor };
  }

  /** The next entry, or undefined when this reader has all there is for now. */
  async next(): Promise<JournalEntry | undefined> {
    for (const stream of STREAMS) {
      if (this.#cursor[stream] < this.#logs[stream].start)
        return this.#skip(stream, this.#logs[stream].start);
    }
    const segment = this.#find();
    if (segment === undefined) return undefined;
    const { stream } = segment;
    const offset = this.#cursor[stream];
    const slice = await this.#logs[stream].read(offset, Math.min(READ_BYTES, segment.end - offset));
    // Dropped while the read was under way.
    if (slice.offset > offset) return this.#skip(stream, slice.offset);
    if (slice.bytes.byteLength === 0) return undefined;
    this.#cursor[stream] += slice.bytes.byteLength;
    return { type: "output", stream, offset, bytes: slice.bytes };
  }

  #skip(stream: Stream, to: number): JournalEntry {
    const offset = this.#cursor[stream];
    this.#cursor[stream] = to;
    return { type: "dropped", stream, offset, length: to - offset };
  }

  #find(): Segment | undefined {
    const list = this.#segments();
    let index = this.#hint.list === list ? this.#hint.index : 0;
    for (; index < list.length; index++) {
      const segment = list[index];
      if (segment && this.#cursor[segment.stream] < segment.end) break;
    }
    // The last segment may still grow, so a search that found nothing starts there again.
    this.#hint = { list, index: Math.min(index, Math.max(0, list.length - 1)) };
    return list[index];
  }
}

/** A file with no name: it is gone when its descriptor closes, also after a crash, and nobody can open it. */
export async function openUnlinked(directory: string): Promise<FileHandle> {
  const path = join(directory, `journal-${Bun.randomUUIDv7()}`);
  const file = await open(path, "wx+", 0o600);
  await rm(path);
  return file;
}
