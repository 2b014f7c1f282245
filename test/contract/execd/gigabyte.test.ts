import { expect, setDefaultTimeout, test } from "bun:test";
import { TestDaemon } from "../../support/daemon.ts";
import { framesOf } from "../../support/event-stream.ts";
import { growthWhile } from "../../support/memory.ts";

setDefaultTimeout(120_000);

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const DIGITS = "0123456789";
/** Longer than any event, from every digit on. */
const PATTERN = DIGITS.repeat(20_000);

test("1 GiB on one line arrives whole, with one end and in bounded memory", async () => {
  await using daemon = await TestDaemon.start();
  const command = `yes ${DIGITS} | tr -d '\\n' | head -c ${GIB}`;
  const { value, bytes } = await growthWhile(daemon.child.pid, async () => {
    const response = await daemon.execd("/command", { method: "POST", body: JSON.stringify({ command }) });
    let length = 0;
    const others: string[] = [];
    for await (const { event } of framesOf(response)) {
      const { type, text = "" } = event;
      if (type === "stdout") {
        const from = length % DIGITS.length;
        if (text !== PATTERN.slice(from, from + text.length)) throw new Error(`other bytes after ${length}`);
        length += text.length;
      } else if (type !== "ping") others.push(type);
    }
    return { length, others };
  });
  expect(value).toEqual({ length: GIB, others: ["init", "execution_complete"] });
  // The journal of 64 MiB, and what is on its way to a slow reader.
  expect(bytes).toBeLessThan(160 * MIB);
});
