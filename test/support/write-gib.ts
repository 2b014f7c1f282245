/**
 * Runs a child that writes 1 GiB and prints, as JSON, what this process needed for it. A process of its own,
 * so that nothing else is in its memory.
 */
import { openEngine } from "./engine.ts";

await using lab = await openEngine({ journalBytes: 64 * 1024 * 1024 });
const { engine } = lab;
await (
  await engine.startCommand({ argv: ["true"] })
).outcome;

const before = process.memoryUsage.rss();
let peak = before;
// What the growth is measured by must not depend on the run: looked at whenever the loop turns.
const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
const run = await engine.startCommand({ argv: ["head", "-c", String(2 ** 30), "/dev/zero"] });
let told = 0;
for await (const event of run.events()) {
  if (event.type === "output") told += event.bytes.byteLength;
  if (event.type === "dropped") told += event.length;
}
clearInterval(watch);
const { totals, end } = await run.outcome;
const report = { totalBytes: totals.stdout, toldBytes: told, growthBytes: peak - before, end };
process.stdout.write(JSON.stringify(report));
