import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, open, readdir, rm, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ByteLog, type ByteLogOptions } from "../../src/engine/process/byte-log.ts";
import { randomNumbers } from "../support/random.ts";

let directory: string;
let serial = 0;
beforeAll(async () => (directory = await mkdtemp(join(tmpdir(), "byte-log-"))));
afterAll(() => rm(directory, { recursive: true, force: true }));

interface TestLog extends AsyncDisposable {
  readonly log: ByteLog;
  readonly faults: unknown[];
  readonly opened: () => number;
}

function openLog(options: Partial<ByteLogOptions> = {}): TestLog {
  const faults: unknown[] = [];
  let opened = 0;
  const openFile = (): Promise<FileHandle> => {
    opened++;
    return (options.openFile ?? (() => open(join(directory, `log-${serial++}`), "wx+")))();
  };
  const log = new ByteLog({
    memoryBytes: 64,
    retainBytes: 256,
    onFault: (cause) => faults.push(cause),
    ...options,
    openFile,
  });
  return { log, faults, opened: () => opened, [Symbol.asyncDispose]: () => log.close() };
}

/** Bytes that say where they are: each is its own offset. */
function bytesAt(offset: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (offset + index) % 251);
}

async function readAll(log: ByteLog, from = 0): Promise<{ offset: number; bytes: Uint8Array }> {
  const first = await log.read(from, Number.MAX_SAFE_INTEGER);
  const parts = [first.bytes];
  for (let at = first.offset + first.bytes.byteLength; at < log.end;) {
    const { bytes } = await log.read(at, Number.MAX_SAFE_INTEGER);
    parts.push(bytes);
    at += bytes.byteLength;
  }
  return { offset: first.offset, bytes: Buffer.concat(parts) };
}

describe("a byte log in memory", () => {
  test("gives back what was appended, by absolute offset", async () => {
    await using opened = openLog();
    const { log } = opened;
    expect(log.append(bytesAt(0, 10))).toBeUndefined();
    expect(log.append(bytesAt(10, 20))).toBeUndefined();
    expect([log.start, log.end]).toEqual([0, 30]);
    expect(await log.read(5, 10)).toEqual({ offset: 5, bytes: bytesAt(5, 10) });
    expect(await log.read(25, 100)).toEqual({ offset: 25, bytes: bytesAt(25, 5) });
    expect(opened.opened()).toBe(0);
  });

  test("is empty at its end and beyond it", async () => {
    await using opened = openLog();
    const { log } = opened;
    expect(await log.read(0, 10)).toEqual({ offset: 0, bytes: new Uint8Array(0) });
    void log.append(bytesAt(0, 3));
    expect((await log.read(3, 10)).bytes.byteLength).toBe(0);
    expect((await log.read(99, 10)).bytes.byteLength).toBe(0);
  });

  test("ignores empty chunks", async () => {
    await using opened = openLog();
    expect(opened.log.append(new Uint8Array(0))).toBeUndefined();
    expect(opened.log.end).toBe(0);
  });

  test("keeps its own copy of small chunks, so that the caller may use its buffer again", async () => {
    await using opened = openLog();
    const buffer = bytesAt(0, 8);
    void opened.log.append(buffer);
    buffer.fill(255);
    expect((await opened.log.read(0, 8)).bytes).toEqual(bytesAt(0, 8));
  });

  test("drops the oldest bytes exactly when memory is all it may use", async () => {
    await using opened = openLog({ memoryBytes: 100, retainBytes: 100 });
    const { log } = opened;
    for (let at = 0; at < 250; at += 10) expect(log.append(bytesAt(at, 10))).toBeUndefined();
    expect([log.start, log.end]).toEqual([150, 250]);
    expect(await log.read(0, 1000)).toEqual({ offset: 150, bytes: bytesAt(150, 100) });
    expect(opened.opened()).toBe(0);
  });

  test("keeps the end of one chunk that is larger than the whole log", async () => {
    await using opened = openLog({ memoryBytes: 100, retainBytes: 50 });
    void opened.log.append(bytesAt(0, 40_000));
    expect(await opened.log.read(0, 1000)).toEqual({ offset: 39_950, bytes: bytesAt(39_950, 50) });
  });
});

describe("a byte log with a file", () => {
  test("moves to its file when memory is full, and reads across both", async () => {
    await using opened = openLog({ memoryBytes: 64, retainBytes: 1024 });
    const { log } = opened;
    await log.append(bytesAt(0, 200));
    void log.append(bytesAt(200, 30));
    expect(opened.opened()).toBe(1);
    expect(log.start).toBe(0);
    expect(await readAll(log)).toEqual({ offset: 0, bytes: Buffer.from(bytesAt(0, 230)) });
    expect(await log.read(190, 5)).toEqual({ offset: 190, bytes: bytesAt(190, 5) });
  });

  test("overwrites its file as a ring and says where the oldest byte is", async () => {
    await using opened = openLog();
    const { log } = opened;
    await log.append(bytesAt(0, 200));
    await log.append(bytesAt(200, 200));
    expect([log.start, log.end]).toEqual([144, 400]);
    expect(await readAll(log)).toEqual({ offset: 144, bytes: Buffer.from(bytesAt(144, 256)) });
    expect((await log.read(300, 10)).bytes).toEqual(bytesAt(300, 10));
  });

  test("keeps the end of one chunk that is larger than the ring", async () => {
    await using opened = openLog();
    await opened.log.append(bytesAt(0, 100_000));
    expect(opened.log.start).toBe(100_000 - 256);
    expect((await readAll(opened.log)).bytes).toEqual(Buffer.from(bytesAt(100_000 - 256, 256)));
  });

  test("asks a fast writer to wait for the disk", async () => {
    await using opened = openLog();
    expect(opened.log.append(bytesAt(0, 129))).toBeInstanceOf(Promise);
  });

  test("opens the file only once", async () => {
    await using opened = openLog();
    for (let at = 0; at < 2000; at += 100) await opened.log.append(bytesAt(at, 100));
    expect(opened.opened()).toBe(1);
  });
});

describe("a byte log whose file cannot be used", () => {
  const broken: [string, () => Promise<FileHandle>][] = [
    ["opened", () => Promise.reject(new Error("no room"))],
    ["written", () => open("/dev/full", "r+")],
  ];
  test.each(broken)(
    "keeps the newest in memory when it cannot be %s, and reports once",
    async (_, openFile) => {
      await using opened = openLog({ openFile });
      const { log, faults } = opened;
      for (let at = 0; at < 1000; at += 50) await log.append(bytesAt(at, 50));
      await log.append(bytesAt(1000, 500));
      expect(faults).toHaveLength(1);
      expect(opened.opened()).toBe(1);
      expect([log.start, log.end]).toEqual([1500 - 64, 1500]);
      expect(await log.read(0, 1000)).toEqual({ offset: 1436, bytes: bytesAt(1436, 64) });
    },
  );
});

describe("a closed byte log", () => {
  test("is empty and takes nothing more", async () => {
    await using opened = openLog();
    const { log } = opened;
    await log.append(bytesAt(0, 300));
    await log.close();
    expect(await log.read(0, 100)).toEqual({ offset: 300, bytes: new Uint8Array(0) });
    expect(log.append(bytesAt(300, 10))).toBeUndefined();
    expect(log.end).toBe(300);
    await log.close();
  });

  test("may be closed while it is written and read", async () => {
    for (let round = 0; round < 50; round++) {
      await using opened = openLog();
      const { log } = opened;
      await log.append(bytesAt(0, 300));
      const writing = log.append(bytesAt(300, 300));
      const reading = log.read(100, 100);
      await log.close();
      await writing;
      const { offset, bytes } = await reading;
      expect(bytes).toEqual(bytesAt(offset, bytes.byteLength));
      expect((await log.read(0, 10)).bytes.byteLength).toBe(0);
    }
  });

  test("leaves no descriptor behind, also when closed while its file is being opened", async () => {
    const before = (await readdir("/proc/self/fd")).length;
    for (let round = 0; round < 20; round++) {
      const { log } = openLog();
      const writing = log.append(bytesAt(0, 300));
      await log.close();
      await writing;
    }
    expect((await readdir("/proc/self/fd")).length).toBe(before);
  });
});

describe("a byte log compared with a plain array", () => {
  const shapes = [
    { memoryBytes: 64, retainBytes: 256 },
    { memoryBytes: 1000, retainBytes: 5000 },
    { memoryBytes: 70_000, retainBytes: 200_000 },
    { memoryBytes: 500, retainBytes: 300 },
    { memoryBytes: 1, retainBytes: 7 },
  ];
  test.each(shapes)("holds the newest bytes and nothing else (%o)", async (shape) => {
    const random = randomNumbers(20_260_801 + shape.retainBytes);
    await using opened = openLog(shape);
    const { log, faults } = opened;
    const model: number[] = [];
    for (let step = 0; step < 1500; step++) {
      const chunk = Uint8Array.from({ length: random(random(4) === 0 ? 30_000 : 300) }, () => random(256));
      const wait = log.append(chunk);
      for (const byte of chunk) model.push(byte);
      if (random(3) > 0) await wait;
      expect(log.end).toBe(model.length);
      const wanted = random(model.length + 10);
      const { offset, bytes } = await log.read(wanted, random(50_000));
      expect(offset).toBeGreaterThanOrEqual(wanted);
      if (offset > wanted) expect(log.start).toBeGreaterThanOrEqual(offset);
      expect(Buffer.from(bytes).equals(Uint8Array.from(model.slice(offset, offset + bytes.byteLength)))).toBe(
        true,
      );
      expect(log.end - log.start).toBeGreaterThanOrEqual(Math.min(log.end, shape.retainBytes));
      if (model.length > 4_000_000) break;
    }
    expect(faults).toEqual([]);
  });

  test("never gives torn bytes to readers that lag while the ring is overwritten", async () => {
    const random = randomNumbers(7);
    await using opened = openLog({ memoryBytes: 300, retainBytes: 2000 });
    const { log } = opened;
    let writing = true;
    const reader = async (stepBytes: number) => {
      let at = 0;
      let seen = 0;
      while (writing || at < log.end) {
        const { offset, bytes } = await log.read(at, stepBytes);
        expect(offset).toBeGreaterThanOrEqual(at);
        expect(Buffer.from(bytes).equals(bytesAt(offset, bytes.byteLength))).toBe(true);
        at = offset + bytes.byteLength;
        seen += bytes.byteLength;
        if (bytes.byteLength === 0) await new Promise((resume) => setImmediate(resume));
      }
      return seen;
    };
    const readers = [reader(1), reader(37), reader(500), reader(100_000)];
    for (let step = 0; step < 1500; step++) await log.append(bytesAt(log.end, random(400)));
    writing = false;
    for (const seen of await Promise.all(readers)) expect(seen).toBeGreaterThan(0);
  });
});
