import { describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Journal,
  type JournalEntry,
  type JournalOptions,
  type JournalReader,
} from "../../src/engine/process/journal.ts";
import type { Cursor } from "../../src/engine/run.ts";
import { STREAMS, type Stream } from "../../src/engine/run.ts";
import { randomNumbers } from "../support/random.ts";

interface TestJournal extends AsyncDisposable {
  readonly journal: Journal;
  readonly directory: string;
  readonly faults: unknown[];
}

async function openJournal(options: Partial<JournalOptions> = {}): Promise<TestJournal> {
  const directory = await mkdtemp(join(tmpdir(), "journal-"));
  const faults: unknown[] = [];
  const journal = new Journal({
    memoryBytes: 1024,
    retainBytes: 4096,
    directory,
    onFault: (cause) => faults.push(cause),
    ...options,
  });
  const release = async () => {
    await journal.close();
    await rm(directory, { recursive: true, force: true });
  };
  return { journal, directory, faults, [Symbol.asyncDispose]: release };
}

const bytes = (text: string) => new TextEncoder().encode(text);

/** What a reader sees until it has all there is, short: "out:hi", "err@5:oops", "dropped out 0+7". */
async function seen(reader: JournalReader): Promise<string[]> {
  const lines: string[] = [];
  for (const entry of await entries(reader)) {
    const name = entry.stream === "stdout" ? "out" : "err";
    lines.push(
      entry.type === "dropped"
        ? `dropped ${name} ${entry.offset}+${entry.length}`
        : `${name}@${entry.offset}:${Buffer.from(entry.bytes).toString()}`,
    );
  }
  return lines;
}

async function entries(reader: JournalReader): Promise<JournalEntry[]> {
  const all: JournalEntry[] = [];
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) all.push(entry);
  return all;
}

describe("a journal", () => {
  test("tells both streams in order of arrival, with absolute offsets", async () => {
    await using opened = await openJournal();
    const { journal } = opened;
    void journal.append("stdout", bytes("one "));
    void journal.append("stdout", bytes("two "));
    void journal.append("stderr", bytes("oops "));
    void journal.append("stdout", bytes("three"));
    expect(await seen(journal.read())).toEqual(["out@0:one two ", "err@0:oops ", "out@8:three"]);
    expect(journal.totals).toEqual({ stdout: 13, stderr: 5 });
  });

  test("lets a reader go on where it stood, also in the middle of what was appended at once", async () => {
    await using opened = await openJournal();
    const { journal } = opened;
    const reader = journal.read();
    void journal.append("stdout", bytes("one"));
    expect(await seen(reader)).toEqual(["out@0:one"]);
    expect(await reader.next()).toBeUndefined();
    void journal.append("stdout", bytes("two"));
    void journal.append("stderr", bytes("err"));
    expect(await seen(reader)).toEqual(["out@3:two", "err@0:err"]);
    expect(await seen(journal.read({ stdout: 4, stderr: 1 }))).toEqual(["out@4:wo", "err@1:rr"]);
  });

  test("lets two readers go at different paces without harm to either", async () => {
    await using opened = await openJournal();
    const { journal } = opened;
    const fast = journal.read();
    const slow = journal.read();
    const fastSaw: string[] = [];
    const slowSaw: string[] = [];
    for (let i = 0; i < 10; i++) {
      void journal.append(i % 2 === 0 ? "stdout" : "stderr", bytes(String(i)));
      fastSaw.push(...(await seen(fast)));
      if (i % 5 === 4) slowSaw.push(...(await seen(slow)));
    }
    const expected = Array.from(
      { length: 10 },
      (_, i) => `${i % 2 ? "err" : "out"}@${Math.floor(i / 2)}:${i}`,
    );
    expect(fastSaw).toEqual(expected);
    expect(slowSaw).toEqual(expected);
  });

  test("resumes from any cursor a reader ever stood at", async () => {
    await using opened = await openJournal();
    const { journal } = opened;
    for (let i = 0; i < 30; i++) void journal.append(STREAMS[i % 2] ?? "stdout", bytes(`line ${i}\n`));
    const whole = await seen(journal.read());
    const reader = journal.read();
    const cursors: Cursor[] = [];
    do cursors.push(reader.cursor);
    while ((await reader.next()) !== undefined);
    expect(cursors).toHaveLength(31);
    for (const [index, cursor] of cursors.entries())
      expect(await seen(journal.read(cursor))).toEqual(whole.slice(index));
  });

  test("says exactly what it dropped when memory is all it may use", async () => {
    await using opened = await openJournal({ memoryBytes: 100, retainBytes: 100 });
    const { journal } = opened;
    for (let i = 0; i < 25; i++) void journal.append("stdout", bytes("0123456789"));
    void journal.append("stderr", bytes("err"));
    expect(await seen(journal.read())).toEqual([
      "dropped out 0+150",
      `out@150:${"0123456789".repeat(10)}`,
      "err@0:err",
    ]);
    expect(await seen(journal.read({ stdout: 120, stderr: 3 }))).toEqual([
      "dropped out 120+30",
      `out@150:${"0123456789".repeat(10)}`,
    ]);
  });

  test("says exactly what its file's ring has overwritten", async () => {
    await using opened = await openJournal();
    const { journal, directory } = opened;
    await journal.append("stdout", bytes("x".repeat(5000)));
    await journal.append("stdout", bytes("y".repeat(3000)));
    const [gap, ...rest] = await entries(journal.read());
    expect(gap).toEqual({ type: "dropped", stream: "stdout", offset: 0, length: 3904 });
    expect(Buffer.concat(outputs(rest, "stdout")).toString()).toBe("x".repeat(1096) + "y".repeat(3000));
    // The file has no name, so that it is gone whatever happens.
    expect(await readdir(directory)).toEqual([]);
  });

  test("tells a lagging reader of the gap between two of its reads", async () => {
    await using opened = await openJournal({ memoryBytes: 10, retainBytes: 10 });
    const { journal } = opened;
    const reader = journal.read();
    void journal.append("stdout", bytes("abc"));
    expect(await seen(reader)).toEqual(["out@0:abc"]);
    void journal.append("stdout", bytes("d".repeat(20)));
    expect(await seen(reader)).toEqual(["dropped out 3+10", `out@13:${"d".repeat(10)}`]);
  });

  test("wakes whoever waits for a change", async () => {
    await using opened = await openJournal();
    const { journal } = opened;
    const changed = journal.changed();
    expect(journal.changed()).toBe(changed);
    void journal.append("stderr", bytes("x"));
    await changed;
    const woken = journal.changed();
    journal.wake();
    await woken;
  });

  test("reports a folder that is gone once a stream, and keeps the newest in memory", async () => {
    await using opened = await openJournal();
    const { journal, directory, faults } = opened;
    await rm(directory, { recursive: true });
    for (let i = 0; i < 10; i++) await journal.append("stdout", bytes(String(i).repeat(1000)));
    expect(faults).toHaveLength(1);
    expect(await seen(journal.read())).toEqual([
      "dropped out 0+8976",
      `out@8976:${"8".repeat(24)}${"9".repeat(1000)}`,
    ]);
  });

  test("has nothing left to read when it is closed", async () => {
    await using opened = await openJournal();
    const { journal } = opened;
    await journal.append("stdout", bytes("x".repeat(3000)));
    const reader = journal.read({ stdout: 3000, stderr: 0 });
    await journal.close();
    await journal.append("stdout", bytes("late"));
    expect(await reader.next()).toBeUndefined();
    expect((await entries(journal.read())).filter(({ type }) => type === "output")).toEqual([]);
    expect((await journal.tail("stdout", 100)).bytes.byteLength).toBe(0);
    expect(journal.totals).toEqual({ stdout: 3000, stderr: 0 });
  });
});

describe("the tail of a journal", () => {
  test("is the newest bytes of a stream with the count of all", async () => {
    await using opened = await openJournal();
    const { journal } = opened;
    void journal.append("stdout", bytes("hello world"));
    const { bytes: newest, totalBytes } = await journal.tail("stdout", 5);
    expect([Buffer.from(newest).toString(), totalBytes]).toEqual(["world", 11]);
    expect((await journal.tail("stderr", 5)).totalBytes).toBe(0);
  });

  test("may be taken as of an earlier end", async () => {
    await using opened = await openJournal();
    const { journal } = opened;
    void journal.append("stdout", bytes("hello world"));
    const { bytes: newest, totalBytes } = await journal.tail("stdout", 4, 5);
    expect([Buffer.from(newest).toString(), totalBytes]).toEqual(["ello", 5]);
  });

  test("spans file and memory and holds only what is kept", async () => {
    await using opened = await openJournal();
    const { journal } = opened;
    await journal.append("stdout", bytes("x".repeat(9000)));
    void journal.append("stdout", bytes("end"));
    const { bytes: newest, totalBytes } = await journal.tail("stdout", 1_000_000);
    expect(Buffer.from(newest).toString()).toBe(`${"x".repeat(4096)}end`);
    expect(totalBytes).toBe(9003);
  });

  test("has nothing when all of it has been dropped since the end asked for", async () => {
    await using opened = await openJournal({ memoryBytes: 10, retainBytes: 10 });
    const { journal } = opened;
    void journal.append("stdout", bytes("x".repeat(100)));
    expect((await journal.tail("stdout", 20, 50)).bytes.byteLength).toBe(0);
  });

  test("never reaches beyond the end asked for while the ring turns", async () => {
    await using opened = await openJournal({ memoryBytes: 16, retainBytes: 64 });
    const { journal } = opened;
    for (let round = 0; round < 300; round++) {
      const end = journal.totals.stdout;
      const reading = journal.tail("stdout", 64, end);
      void journal.append(
        "stdout",
        Uint8Array.from({ length: 50 }, (_, i) => (end + i) % 251),
      );
      const { bytes: newest } = await reading;
      const expected = Array.from(
        { length: newest.byteLength },
        (_, i) => (end - newest.byteLength + i) % 251,
      );
      expect([...newest]).toEqual(expected);
    }
  });
});

describe("a journal of two streams that alternate", () => {
  test("loses no byte above its limit of segments, and keeps the newest in exact order", async () => {
    await using opened = await openJournal({ memoryBytes: 1 << 20, retainBytes: 1 << 20 });
    const { journal } = opened;
    const count = 60_000;
    const early = journal.read();
    const earlySaw: JournalEntry[] = [];
    for (let i = 0; i < count; i++) {
      void journal.append(STREAMS[i % 2] ?? "stdout", Uint8Array.of(i >> 1));
      // A reader that stands somewhere while the order behind and before it is made coarser.
      if (i % 7 === 0) earlySaw.push(...[await early.next()].filter((entry) => entry !== undefined));
    }
    earlySaw.push(...(await entries(early)));
    const late = await entries(journal.read());
    for (const all of [earlySaw, late]) {
      for (const stream of STREAMS) {
        const carried = Buffer.concat(outputs(all, stream));
        expect(carried.equals(Uint8Array.from({ length: count / 2 }, (_, i) => i))).toBe(true);
      }
    }
    expect(late.length).toBeLessThanOrEqual(16_384);
    const newest = late.slice(-1000).map((entry) => entry.stream);
    expect(newest).toEqual(newest.map((_, i) => STREAMS[i % 2] ?? "stdout"));
  });
});

describe("a journal compared with a plain array", () => {
  const shapes = [
    { memoryBytes: 100, retainBytes: 100 },
    { memoryBytes: 64, retainBytes: 1000 },
    { memoryBytes: 4096, retainBytes: 20_000 },
    { memoryBytes: 1 << 20, retainBytes: 1 << 20 },
  ];
  test.each(shapes)("gives every reader every byte once, or says that it is gone (%o)", async (shape) => {
    const random = randomNumbers(99 + shape.memoryBytes);
    await using opened = await openJournal(shape);
    const { journal } = opened;
    const model: Record<Stream, number[]> = { stdout: [], stderr: [] };
    const readers = [journal.read(), journal.read(), journal.read()];
    for (let step = 0; step < 2000; step++) {
      const stream = STREAMS[random(2)] ?? "stdout";
      const chunk = Uint8Array.from({ length: random(200) }, () => random(256));
      model[stream].push(...chunk);
      const wait = journal.append(stream, chunk);
      if (random(2) === 0) await wait;
      const which = random(20);
      const reader = readers[which];
      if (reader) await readOn(reader, model, random(10));
      // Someone's connection is cut, and comes back with its cursor.
      if (reader && random(3) === 0) readers[which] = journal.read(reader.cursor);
    }
    for (const reader of readers) {
      await readOn(reader, model, Number.POSITIVE_INFINITY);
      expect(reader.cursor).toEqual({ stdout: model.stdout.length, stderr: model.stderr.length });
    }
  });
});

/** Reads at most `count` entries and compares each with the model; what is skipped must be told. */
async function readOn(reader: JournalReader, model: Record<Stream, number[]>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const before = reader.cursor;
    const entry = await reader.next();
    if (entry === undefined) return;
    expect(entry.offset).toBe(before[entry.stream]);
    if (entry.type === "dropped") continue;
    const expected = model[entry.stream].slice(entry.offset, entry.offset + entry.bytes.byteLength);
    expect(Buffer.from(entry.bytes).equals(Uint8Array.from(expected))).toBe(true);
  }
}

function outputs(all: readonly JournalEntry[], stream: Stream): Uint8Array[] {
  return all.flatMap((entry) => (entry.type === "output" && entry.stream === stream ? [entry.bytes] : []));
}
