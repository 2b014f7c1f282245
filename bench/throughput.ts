/**
 * 1 GiB of stdout through an event stream, beside `cat` into a process that makes the same frames. Alone: `bun
 * bench/throughput.ts [--rounds N]`. The two take turns. The ratio is of speeds: 0.5 is half as fast.
 */
import { join } from "node:path";
import { TestDaemon } from "../test/support/daemon.ts";
import { growthWhile } from "../test/support/memory.ts";
import { median, row, type Row } from "./measure.ts";

const PARTS = 16;
const PART_BYTES = 2 ** 26;
const GIGABYTES = (PARTS * PART_BYTES) / 1e9;

const KINDS = [
  ["lines of 1 KiB", `${"x".repeat(1023)}\n`],
  [
    "lines of JSON, 64 bytes",
    `${JSON.stringify({ level: "info", message: "something has happened".padEnd(33) })}\n`,
  ],
] as const;

export async function throughputRows(rounds: number): Promise<Row[]> {
  await using daemon = await TestDaemon.start({ env: { SANDERLING_LOG_LEVEL: "warn" } });
  const rows: Row[] = [];
  for (const [kind, line] of KINDS) {
    const part = join(daemon.workspace, "part");
    await Bun.write(part, Buffer.alloc(PART_BYTES, line));
    const [speeds, floors, growths]: [number[], number[], number[]] = [[], [], []];
    for (let i = 0; i < rounds; i++) {
      floors.push(await speedOf(() => floor(part)));
      const streamed = await growthWhile(daemon.child.pid, () => speedOf(() => stream(daemon)));
      speeds.push(streamed.value);
      growths.push(streamed.bytes / 2 ** 20);
    }
    const ratio = median(speeds.map((speed, i) => speed / (floors[i] ?? Number.NaN)));
    rows.push(
      { ...row(`/command, 1 GiB of stdout, ${kind}`, "MB/s", speeds), ratio },
      row("  floor: cat into one process that makes the frames", "MB/s", floors),
      row("  growth of the daemon's memory meanwhile", "MiB", growths),
    );
  }
  return rows;
}

async function speedOf(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return (GIGABYTES * 1e6) / (performance.now() - started);
}

async function stream(daemon: TestDaemon): Promise<void> {
  const command = `cat ${"part ".repeat(PARTS)}`;
  const response = await daemon.execd("/command", { method: "POST", body: JSON.stringify({ command }) });
  let last = new Uint8Array(0);
  for await (const chunk of response.body ?? []) last = chunk as Uint8Array<ArrayBuffer>;
  const end = new TextDecoder().decode(last.subarray(-200));
  if (!end.includes('"execution_complete"')) throw new Error(`the stream ended with ${end}`);
}

async function floor(part: string): Promise<void> {
  const script = join(import.meta.dir, "frames-floor.ts");
  const child = Bun.spawn([process.execPath, script, part, String(PARTS)], { stdout: "pipe" });
  const bytes = Number(await new Response(child.stdout).text());
  if (!(bytes > PARTS * PART_BYTES)) throw new Error(`the floor made only ${bytes} bytes of frames`);
}

if (import.meta.main) {
  const rounds = Number(process.argv[process.argv.indexOf("--rounds") + 1]) || 3;
  for (const { what, unit, values, ratio } of await throughputRows(rounds)) {
    const shown = `${what.padEnd(56)} ${median(values).toFixed(0).padStart(6)} ${unit}`;
    process.stdout.write(`${shown}${ratio === undefined ? "" : `   x ${ratio.toFixed(2)} of the floor`}\n`);
  }
}
