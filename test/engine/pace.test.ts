import { expect, test } from "bun:test";
import type { RunEvent } from "../../src/engine/run.ts";
import { openEngine, until } from "../support/engine.ts";

const MIB = 1024 * 1024;

/** Reads a run more slowly than it prints; gives how much it was told and how much was lost. */
async function read(events: AsyncGenerator<RunEvent, void>): Promise<{ told: number; lost: number }> {
  const sum = { told: 0, lost: 0 };
  for await (const event of events) {
    if (event.type === "output") sum.told += event.bytes.byteLength;
    if (event.type === "dropped") sum.lost += event.length;
    await new Promise((resume) => setTimeout(resume, 1));
  }
  return sum;
}

test("a run goes at the pace of its reader where output would be lost otherwise", async () => {
  await using engine = await openEngine({ journalBytes: 2 * MIB, journalMemoryBytes: 64 * 1024 });
  await using run = await engine.sh(`head -c ${32 * MIB} /dev/zero`);
  expect(await read(run.events())).toEqual({ told: 32 * MIB, lost: 0 });
});

test("a reader that has left, or never reads, holds nobody up", async () => {
  await using engine = await openEngine({ journalBytes: MIB, journalMemoryBytes: 64 * 1024 });
  await using run = await engine.sh(`read -r _; head -c ${8 * MIB} /dev/zero`, { stdin: "\n" });
  const left = run.events();
  await left.next();
  await left.return();
  const idle = run.events();
  await idle.next();
  await until(() => run.hasEnded);
  expect((await read(run.events())).lost).toBeGreaterThan(0);
  await idle.return();
});
