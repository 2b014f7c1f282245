import { TestDaemon } from "../test/support/daemon.ts";
import { streamMany } from "../test/support/many-streams.ts";
import { SocketClient } from "../test/support/socket-client.ts";
import { row, type Row } from "./measure.ts";

/** Prints the time of day in nanoseconds, which all processes of a machine share, again and again. */
const CLOCK = `
import os, time
for _ in range(ROUNDS):
    os.write(1, b"%d\\n" % time.time_ns())
    time.sleep(0.005)
`;

/** Live output: how long a byte takes from a program's write to its client, and many streams at a time. */
export async function streamRows(daemon: TestDaemon, rounds: number): Promise<Row[]> {
  const many = { streams: 200, seconds: 10, bytesPerSecond: 1_000_000 };
  // Of its own: the highest memory of a process is for all of its life.
  await using other = await TestDaemon.start({ env: { SANDERLING_LOG_LEVEL: "warn" } });
  const { whole, bytes, seconds, peakBytes } = await streamMany(other, many);
  if (whole !== many.streams - 1) throw new Error(`only ${whole} of ${many.streams - 1} streams were whole`);
  const late = await latencies(daemon, 10 * rounds);
  const p99 = late.toSorted((a, b) => a - b)[Math.floor(late.length * 0.99)] ?? Number.NaN;
  return [
    row("live output, from a write to its client", "ms", late),
    row("  of a hundred the slowest", "ms", [p99]),
    row("200 streams of 1 MB/s, one never read: in all", "MB/s", [bytes / 1e6 / seconds]),
    row("  highest memory of the daemon", "MiB", [peakBytes / 2 ** 20]),
  ];
}

async function latencies(daemon: TestDaemon, rounds: number): Promise<number[]> {
  await using client = await SocketClient.open(daemon, "/execute/stream");
  const { promise: ended, resolve } = Promise.withResolvers<undefined>();
  const values: number[] = [];
  client.socket.onmessage = ({ data }) => {
    const nowMs = performance.timeOrigin + performance.now();
    const message = JSON.parse(String(data)) as { type: string; data: string };
    if (message.type === "stdout") values.push(nowMs - Number(message.data.split("\n")[0]) / 1e6);
    if (message.type === "complete") resolve(undefined);
  };
  client.send({ type: "execute", code: CLOCK.replace("ROUNDS", String(rounds)), timeout: 600 });
  await ended;
  return values;
}
