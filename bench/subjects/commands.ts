import { get, post, speedOf, spawnOnFloor } from "../harness/calls.ts";
import type { Subject } from "../harness/scenario.ts";
import { COLD } from "../harness/stage.ts";

const GIB = 2 ** 30;

export const commands: Subject = {
  name: "commands",
  title: "Commands",
  about:
    "One client. The floor is the least that a server in this runtime can do: spawn, read both pipes, answer.",
  scenarios: [
    {
      name: "ping",
      what: "`GET /ping`",
      open: async (stage) => {
        const [daemon, floor] = [await stage.daemon(COLD), await stage.floor()];
        const bare = async () => {
          await (await fetch(floor.url)).bytes();
        };
        return [
          { what: "ours", pid: daemon.child.pid, call: () => get(daemon, "/ping") },
          { what: "bare Bun server", pid: floor.child.pid, call: bare },
        ];
      },
    },
    {
      name: "echo",
      what: "`/commands/run echo hi`",
      targets: [
        { asked: "at most 1.3 of a bare Bun spawn over HTTP", anyOf: [{ figure: "ratio", atMost: 1.3 }] },
      ],
      patience: 4,
      open: async (stage) => {
        const [daemon, floor] = [await stage.daemon(COLD), await stage.floor()];
        return [
          {
            what: "ours",
            pid: daemon.child.pid,
            call: () => post(daemon, "/commands/run", { command: "echo hi" }),
          },
          {
            what: "bare Bun spawn over HTTP",
            pid: floor.child.pid,
            call: () => spawnOnFloor(floor, ["/bin/sh", "-c", "echo hi"]),
          },
        ];
      },
    },
    {
      name: "output",
      what: "`/commands/run`, 1 GiB of output, the newest 2 MiB kept",
      unit: "MB/s",
      isLong: true,
      targets: [
        {
          asked: "memory grows by at most 64 MiB",
          anyOf: [{ figure: "growthMB", atMost: (64 * 2 ** 20) / 1e6 }],
        },
      ],
      open: async (stage) => {
        const daemon = await stage.daemon(COLD);
        const body = { command: `head -c ${GIB} /dev/zero`, timeout: 120 };
        return [
          {
            what: "ours",
            pid: daemon.child.pid,
            call: () => speedOf(GIB, () => post(daemon, "/commands/run", body)),
          },
          {
            what: "`head` into `cat`, nothing kept",
            call: () =>
              speedOf(GIB, async () => {
                await stage.sh(`head -c ${GIB} /dev/zero | cat > /dev/null`);
              }),
          },
        ];
      },
    },
  ],
};
