import { join } from "node:path";
import type { TestDaemon } from "../../test/support/daemon.ts";
import { speedOf } from "../harness/calls.ts";
import type { Scenario, Subject } from "../harness/scenario.ts";
import type { Stage } from "../harness/stage.ts";

const PARTS = 16;
const FLOOR = join(import.meta.dir, "../floors/frames-floor.ts");

export const output: Subject = {
  name: "output",
  title: "1 GiB of stdout through an event stream",
  about:
    "Execution API, `cat` of a file to a client that reads everything. The floor: `cat` through a pipe into one process that does the same JSON encoding, with no server, no client and nothing kept.",
  scenarios: [
    scenarioOf("lines", "lines of 1 KiB", `${"x".repeat(1023)}\n`),
    scenarioOf(
      "json",
      "lines of JSON, 64 bytes",
      `${JSON.stringify({ level: "info", message: "something has happened".padEnd(33) })}\n`,
    ),
  ],
};

function scenarioOf(name: string, kind: string, line: string): Scenario {
  return {
    name,
    what: `\`/command\`, stdout in ${kind}`,
    unit: "MB/s",
    isLong: true,
    growth: { of: "bytes", sizes: [2 ** 30], quick: [2 ** 26] },
    targets: [
      {
        asked: "at least 300 MB/s, or at least half of the floor",
        anyOf: [
          { figure: "p50", atLeast: 300 },
          { figure: "ratio", atLeast: 0.5 },
        ],
      },
      {
        asked: "memory flat (at most 64 MiB more)",
        anyOf: [{ figure: "growthMB", atMost: (64 * 2 ** 20) / 1e6 }],
      },
    ],
    open: async (stage, bytes) => {
      const daemon = await stage.daemon();
      const part = join(daemon.workspace, "part");
      await Bun.write(part, Buffer.alloc(bytes / PARTS, line));
      return [
        { what: "ours", pid: daemon.child.pid, call: () => speedOf(bytes, () => stream(daemon)) },
        {
          what: "`cat` into one process that makes the frames",
          call: () => speedOf(bytes, () => floor(stage, part, bytes)),
        },
      ];
    },
  };
}

async function stream(daemon: TestDaemon): Promise<void> {
  const command = `cat ${"part ".repeat(PARTS)}`;
  const response = await daemon.execd("/command", { method: "POST", body: JSON.stringify({ command }) });
  let last = new Uint8Array(0);
  for await (const chunk of response.body ?? []) last = chunk as Uint8Array<ArrayBuffer>;
  const end = new TextDecoder().decode(last.subarray(-200));
  if (!end.includes('"execution_complete"')) throw new Error(`the stream ended with ${end}`);
}

async function floor(stage: Stage, part: string, least: number): Promise<void> {
  const bytes = Number(await stage.run([process.execPath, FLOOR, part, String(PARTS)]));
  if (!(bytes > least)) throw new Error(`the floor made only ${bytes} bytes of frames`);
}
