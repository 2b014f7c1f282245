import type { TestDaemon } from "../../test/support/daemon.ts";
import { streamMany } from "../../test/support/many-streams.ts";
import { SocketClient } from "../../test/support/socket-client.ts";
import type { Subject } from "../harness/scenario.ts";

/** Prints the time of day in nanoseconds, which all processes of a machine share, again and again. */
const CLOCK = `
import os, time
for _ in range(ROUNDS):
    os.write(1, b"%d\\n" % time.time_ns())
    time.sleep(0.005)
`;
const PRINTED = 200;

export const streams: Subject = {
  name: "streams",
  title: "Live streams",
  about:
    "Over WebSockets. The first row is of single writes, 5 ms apart, by the clock that program and client share.",
  scenarios: [
    {
      name: "latency",
      what: "live output, from a write to its client",
      targets: [{ asked: "at most 2 ms", anyOf: [{ figure: "p50", atMost: 2 }] }],
      open: async (stage) => {
        const daemon = await stage.daemon();
        return [{ what: "ours", pid: daemon.child.pid, call: () => latencies(daemon) }];
      },
    },
    {
      name: "many",
      what: "1 MB/s each for 10 s, one never read: in all",
      unit: "MB/s",
      isLong: true,
      growth: { of: ["stream", "streams"], sizes: [200], quick: [20] },
      open: async (stage, streams) => {
        const daemon = await stage.daemon();
        const asked = { streams, seconds: streams > 100 ? 10 : 2, bytesPerSecond: 1_000_000 };
        const call = async () => {
          const { whole, bytes, seconds } = await streamMany(daemon, asked);
          if (whole !== streams - 1) throw new Error(`only ${whole} of ${streams - 1} streams were whole`);
          return bytes / 1e6 / seconds;
        };
        return [{ what: "ours", pid: daemon.child.pid, call }];
      },
    },
  ],
};

async function latencies(daemon: TestDaemon): Promise<readonly number[]> {
  await using client = await SocketClient.open(daemon, "/execute/stream");
  const { promise: ended, resolve } = Promise.withResolvers<undefined>();
  const values: number[] = [];
  client.socket.onmessage = ({ data }) => {
    const nowMs = performance.timeOrigin + performance.now();
    const message = JSON.parse(String(data)) as { type: string; data: string };
    if (message.type === "stdout") values.push(nowMs - Number(message.data.split("\n")[0]) / 1e6);
    if (message.type === "complete") resolve(undefined);
  };
  client.send({ type: "execute", code: CLOCK.replace("ROUNDS", String(PRINTED)), timeout: 60 });
  await ended;
  return values;
}
