import { join } from "node:path";
import type { Contender, Facts, Subject } from "../harness/scenario.ts";
import { COLD, type Stage } from "../harness/stage.ts";
import { memoryOf, waitingFor } from "../harness/usage.ts";
import { post } from "../harness/calls.ts";
import { number } from "../report/numbers.ts";

const EXECUTABLE = join(import.meta.dir, "../../dist/sanderling");

export const start: Subject = {
  name: "start",
  title: "Start, and memory of a daemon with nothing to do",
  about:
    "From the start of the process to the answer of its first command. Memory without anything that waits, and with.",
  scenarios: [
    {
      name: "first-answer",
      what: "start to the answer of `/commands/run true`",
      patience: 3,
      targets: [{ asked: "at most 150 ms", anyOf: [{ figure: "p50", atMost: 150 }] }],
      open: async (stage) => {
        const isBuilt = await Bun.file(EXECUTABLE).exists();
        const facts = (): Facts => (isBuilt ? {} : { "the executable": "not there (make build)" });
        const built = {
          what: "the executable of `make build`",
          call: () => toFirstAnswer(stage, [EXECUTABLE]),
        };
        return [
          { what: "ours", call: () => toFirstAnswer(stage), facts },
          { what: "bare Bun server", call: () => floorToFirstAnswer(stage) },
          ...(isBuilt ? [built] : []),
        ];
      },
    },
    {
      name: "memory",
      what: "resident memory, idle, nothing waits",
      unit: "MB",
      isLong: true,
      targets: [{ asked: "at most 70 MB", anyOf: [{ figure: "p50", atMost: 70 }] }],
      open: (stage) => Promise.resolve([idle(stage, COLD), waiting(stage), bare(stage)]),
    },
  ],
};

async function toFirstAnswer(stage: Stage, command?: readonly string[]): Promise<number> {
  const started = performance.now();
  await using fresh = await stage.daemon({}, command ? { command } : {});
  await post(fresh, "/commands/run", { command: "true" });
  return performance.now() - started;
}

async function floorToFirstAnswer(stage: Stage): Promise<number> {
  const started = performance.now();
  await using fresh = await stage.floor();
  await (await fetch(fresh.url)).bytes();
  return performance.now() - started;
}

function idle(stage: Stage, env: Readonly<Record<string, string>>): Contender {
  return {
    what: "ours",
    call: async () => {
      await using fresh = await stage.daemon(env);
      return memoryOf(fresh.child.pid).residentMB;
    },
  };
}

/** What waits by default is forked soon after the start; its memory is told beside that of the daemon. */
function waiting(stage: Stage): Contender {
  const seen: string[] = [];
  return {
    what: "with the defaults: the daemon itself",
    call: async () => {
      await using fresh = await stage.daemon();
      await stage.untilQuiet(fresh.child.pid);
      const { count, mb } = waitingFor(fresh.child.pid);
      seen.push(`${count} processes that wait, ${number(mb)} MB`);
      return memoryOf(fresh.child.pid).residentMB;
    },
    facts: () => ({ "with the defaults": seen.at(-1) ?? "" }),
  };
}

function bare(stage: Stage): Contender {
  return {
    what: "bare Bun server",
    call: async () => {
      await using fresh = await stage.floor();
      return memoryOf(fresh.child.pid).residentMB;
    },
  };
}
