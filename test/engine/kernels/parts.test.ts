import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../../src/engine/kernels/ports.ts";
import { placePython } from "../../../src/engine/kernels/place-python.ts";
import { Queue } from "../../../src/engine/kernels/queue.ts";
import { readRun, type ReadableRun } from "../../../src/engine/kernels/read-run.ts";
import { RichLog } from "../../../src/engine/kernels/rich-log.ts";
import { StdinLines } from "../../../src/engine/kernels/stdin-lines.ts";
import { boundBundle, bundleBytes, OMITTED_TYPE } from "../../../src/engine/kernels/value-bound.ts";
import { Journal } from "../../../src/engine/process/journal.ts";
import { newRunId, type RunEvent, type RunOutcome, type Stream } from "../../../src/engine/run.ts";
import { availableMemory } from "../../../src/engine/system/memory.ts";
import { randomNumbers } from "../../support/random.ts";

const START = { stdout: 0, stderr: 0 };
const USAGE = { peakMemoryBytes: null, cpuSeconds: null, peakProcesses: null, oomKills: 0 };

describe("the log of rich events", () => {
  const log = (limits = { events: 10, bytes: 1000 }) => new RichLog(limits);
  const show = (text: string) => ({ type: "display", data: { "text/plain": text } }) as const;

  test("gives every event its index", () => {
    const rich = log();
    rich.append(show("a"), START, 1);
    rich.append({ type: "clear", wait: false }, START, 0);
    expect([rich.read(0)?.event, rich.read(1)?.event, rich.read(2), rich.end]).toEqual([
      { ...show("a"), index: 0 },
      { type: "clear", wait: false, index: 1 },
      undefined,
      2,
    ]);
  });

  test("replaces the oldest by one mark when there are too many, or they are too large", () => {
    for (const [count, bytes] of [
      [25, 1],
      [5, 400],
    ] as const) {
      const rich = log();
      for (let i = 0; i < count; i++) rich.append(show(String(i)), { stdout: i, stderr: 0 }, bytes);
      const told: RunEvent[] = [];
      for (let at = 0, entry = rich.read(at); entry; entry = rich.read(at)) {
        told.push(entry.event);
        at = entry.event.index + 1;
      }
      const dropped = count - (told.length - 1);
      expect(told[0]).toMatchObject({ type: "display", index: dropped - 1 });
      expect(JSON.stringify(told[0])).toContain(`[${dropped} earlier outputs left out`);
      expect(told.at(-1)).toMatchObject({ index: count - 1 });
      expect(told.length).toBeLessThanOrEqual(11);
    }
  });

  test("keeps the newest event however large it is", () => {
    const rich = log();
    rich.append(show("large"), START, 5000);
    expect(rich.read(0)?.event).toMatchObject(show("large"));
  });
});

describe("values", () => {
  test("within the bound stay as they are", () => {
    const data = { "text/plain": "x", "application/json": { a: [1, "é"] } };
    expect(boundBundle(data, 20)).toBe(data);
    expect(bundleBytes(data)).toBe(1 + '{"a":[1,"é"]}'.length + 1);
  });

  test("beyond it are cut between characters, or left out, and say so", () => {
    const data = { "text/plain": "ééé", "image/png": "x".repeat(10), "text/html": "ok" };
    expect(boundBundle(data, 5)).toEqual({
      "text/html": "ok",
      "text/plain": "éé\n[4 of 6 bytes shown]\n[image/png left out: 10 bytes, more than 5]",
      [OMITTED_TYPE]: { "text/plain": 6, "image/png": 10 },
    });
    expect(boundBundle({ "application/json": [1, 2, 3] }, 3)["text/plain"]).toMatch(
      /^\[application\/json left out: 7/,
    );
  });
});

test("stdin is given out line by line, whatever the ends of lines", () => {
  const read = (text: string) => {
    const lines = new StdinLines(text);
    const all: string[] = [];
    for (let line = lines.next(); line !== undefined; line = lines.next()) all.push(line);
    return all;
  };
  expect(["", "\n", "a", "a\nb\n", "a\r\n\r\nb"].map(read)).toEqual([
    [],
    [""],
    ["a"],
    ["a", "b"],
    ["a", "", "b"],
  ]);
});

test("a queue is first come, first served, and bounded", () => {
  const queue = new Queue<string>(2);
  queue.push("a");
  queue.push("b");
  expect([queue.isFull, queue.remove("a"), queue.remove("a"), queue.isFull]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  queue.push("c");
  expect([queue.shift(), queue.clear(), queue.shift(), queue.length]).toEqual(["b", ["c"], undefined, 0]);
});

test("free ports are different ones", () => {
  const ports = freePorts(5);
  expect(new Set(ports).size).toBe(5);
  expect(ports.every((port) => port > 1024)).toBe(true);
});

test("data goes into a kernel as an encoded literal, which no value can leave", () => {
  const code = placePython(`/tmp/"); import evil; ("`, { A: `"'\\\n"""` });
  expect(code).toMatch(/^exec\([\w".(+/=)]+, \{"text": [\w".(+/=)]+\}\)$/);
  expect(code).not.toContain("evil");
});

test("the memory that is left is a number of bytes", () => {
  expect(availableMemory()).toBeGreaterThan(1024 * 1024);
  expect(availableMemory()).toBeLessThan(2 ** 50);
});

describe("a run's events", () => {
  /** A run of random output and displays, with what should be told of it in order. */
  function makeRun(seed: number, directory: string) {
    const random = randomNumbers(seed);
    const journal = new Journal({
      memoryBytes: 512,
      retainBytes: 2 ** 20,
      directory,
      onFault: () => undefined,
    });
    const rich = new RichLog({ events: 1000, bytes: 2 ** 20 });
    const told: string[] = [];
    for (let i = 0; i < 5 + random(60); i++) {
      const stream: Stream = random(2) === 0 ? "stdout" : "stderr";
      if (random(3) === 0) {
        told.push(`rich ${rich.end}`);
        rich.append({ type: "clear", wait: false }, journal.totals, 0);
      } else {
        const text = String.fromCharCode(97 + (i % 26)).repeat(1 + random(400));
        for (const letter of text) told.push(`${stream} ${letter}`);
        void journal.append(stream, new TextEncoder().encode(text));
      }
    }
    const outcome: RunOutcome = {
      end: { cause: "exited", code: 0 },
      usage: USAGE,
      durationMs: 1,
      totals: journal.totals,
    };
    const end = rich.end;
    // What comes after the end is no part of it.
    rich.append({ type: "clear", wait: true }, journal.totals, 0);
    void journal.append("stdout", new TextEncoder().encode("late"));
    const run: ReadableRun = {
      ...{ id: newRunId(), pid: 1, journal, ended: outcome },
      ...{ begun: Promise.resolve(), outcome: Promise.resolve(outcome) },
    };
    return {
      told,
      journal,
      read: (from = { stdout: 0, stderr: 0, rich: 0 }) => readRun(run, rich, () => end, from),
    };
  }

  test("are in the order in which they came, and go on from any cursor", async () => {
    const directory = mkdtempSync(join(tmpdir(), "read-run-"));
    for (let seed = 0; seed < 60; seed++) {
      const { told, read, journal } = makeRun(seed, directory);
      const cursor = { stdout: 0, stderr: 0, rich: 0 };
      const seen: string[] = [];
      const random = randomNumbers(seed + 1000);
      for (let isOver = false; !isOver;) {
        // A reader that leaves after a few events and comes back with its cursor.
        let left = 1 + random(6);
        for await (const event of read({ ...cursor })) {
          if (event.type === "output") {
            for (const byte of event.bytes) seen.push(`${event.stream} ${String.fromCharCode(byte)}`);
            cursor[event.stream] = event.offset + event.bytes.byteLength;
          } else if ("index" in event) {
            seen.push(`rich ${event.index}`);
            cursor.rich = event.index + 1;
          } else if (event.type === "ended") isOver = true;
          if (--left === 0) break;
        }
      }
      expect({ seed, seen }).toEqual({ seed, seen: told });
      await journal.close();
    }
    rmSync(directory, { recursive: true });
  });
});
