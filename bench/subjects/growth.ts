import { join } from "node:path";
import type { TestDaemon } from "../../test/support/daemon.ts";
import { get, post, spawnOnFloor, speedOf } from "../harness/calls.ts";
import type { Contenders, Growth, Scenario, Subject } from "../harness/scenario.ts";
import { COLD, execdOf, need, needOwnPython, type Stage } from "../harness/stage.ts";
import { memoryOf, waitingFor } from "../harness/usage.ts";
import { number } from "../report/numbers.ts";
import { contextOf, deleteContext } from "./execd-calls.ts";

const PROCESSES: Growth = { of: ["process", "processes"], sizes: [1, 10, 100, 1000], quick: [1, 20] };
const OUTPUT: Growth = {
  of: "bytes",
  sizes: [2 ** 10, 2 ** 20, 2 ** 26, 2 ** 30],
  quick: [2 ** 10, 2 ** 20],
};
const AT_ONCE = 20;

export const growth: Subject = {
  name: "growth",
  title: "As the work grows",
  about:
    "Processes are live and in the background; their own memory is not counted, only the daemon's. Of contexts the last of so many is made, and deleted again, with no kernel waiting.",
  scenarios: [
    {
      name: "run",
      what: "`/commands/run echo hi` beside live processes",
      growth: PROCESSES,
      open: async (stage, count) => {
        const daemon = await crowded(stage, count);
        const [before, floor] = [memoryOf(daemon.child.pid), await stage.floor()];
        return [
          {
            what: "ours",
            pid: daemon.child.pid,
            call: () => post(daemon, "/commands/run", { command: "echo hi" }),
            facts: () => ({ "resident memory of the daemon, MB": number(before.residentMB) }),
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
      name: "list",
      what: "`GET /execute/processes`, the list of these",
      growth: PROCESSES,
      open: async (stage, count) => {
        const daemon = await crowded(stage, count);
        return [{ what: "ours", pid: daemon.child.pid, call: () => get(daemon, "/execute/processes") }];
      },
    },
    {
      name: "output",
      what: "`/commands/run`, output of one command",
      unit: "MB/s",
      growth: OUTPUT,
      open: async (stage, bytes) => {
        const [daemon, floor] = [await stage.daemon(COLD), await stage.floor()];
        const file = join(await stage.directory(), "text");
        await stage.sh(
          'yes "a line of text as programs print them" | head -c "$2" > "$1"',
          file,
          String(bytes),
        );
        const argv = ["cat", file] as const;
        const body = { command: argv.join(" "), timeout: 120 };
        return [
          {
            what: "ours, the newest 2 MiB kept",
            pid: daemon.child.pid,
            call: () => speedOf(bytes, () => post(daemon, "/commands/run", body)),
          },
          {
            what: "bare Bun spawn over HTTP, read and thrown away",
            pid: floor.child.pid,
            call: () => speedOf(bytes, () => spawnOnFloor(floor, argv, { isDrained: true })),
          },
        ];
      },
    },
    contextsOf("bash", [1, 10, 50, 100], [1, 3]),
    contextsOf("python", [1, 5, 20], [1]),
  ],
};

/** A daemon with so many background processes that do nothing. */
async function crowded(stage: Stage, count: number): Promise<TestDaemon> {
  const daemon = await stage.daemon({ ...COLD, SANDERLING_MAX_RUNS: String(2 * count + 100) });
  const start = () => post(daemon, "/commands/background", { command: "exec sleep 100000", timeout: 300 });
  await manyTimes(count, start);
  return daemon;
}

function contextsOf(language: string, sizes: readonly number[], quick: readonly number[]): Scenario {
  return {
    name: `contexts-${language}`,
    what: `one more ${language} context`,
    growth: { of: ["context", "contexts"], sizes, quick },
    open: (stage, count) => oneMore(stage, language, count),
  };
}

async function oneMore(stage: Stage, language: string, count: number): Promise<Contenders> {
  if (language === "python") needOwnPython();
  else need(language);
  const daemon = await stage.daemon({ ...COLD, SANDERLING_MAX_CONTEXTS: String(count + 1) });
  const [server, { pid }] = [execdOf(daemon), daemon.child];
  const empty = memoryOf(pid).residentMB;
  await manyTimes(count - 1, () => contextOf(server, language), 2);
  let made: string | undefined;
  const before = async () => {
    if (made !== undefined) await deleteContext(server, made);
    made = undefined;
  };
  const call = async () => {
    made = await contextOf(server, language);
  };
  const facts = () => ({
    "memory of a kernel, MB": number(waitingFor(pid).mb / count),
    "and for it in the daemon, MB": number((memoryOf(pid).residentMB - empty) / count),
  });
  return [{ what: "ours", pid, before, call, facts }];
}

async function manyTimes(count: number, work: () => Promise<unknown>, atOnce = AT_ONCE): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
