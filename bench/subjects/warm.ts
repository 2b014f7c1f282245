import type { TestDaemon } from "../../test/support/daemon.ts";
import type { Contender, Subject } from "../harness/scenario.ts";
import { COLD, need, needOwnPython, PYTHON, type Stage } from "../harness/stage.ts";
import { waitingFor } from "../harness/usage.ts";

const PYTHON_HELLO = 'print("hello")';
const NODE_HELLO = 'console.log("hello")';
const DATA_FRAME = `import pandas as pd
df = pd.DataFrame({"name": ["Alice", "Bob", "Charlie"], "age": [25, 30, 35]})
print(df.describe())`;
/** What makes interpreters of each kind wait. */
const KINDS = [
  ["python", PYTHON_HELLO],
  ["javascript", NODE_HELLO],
  ["python", DATA_FRAME],
] as const;
const GO_HELLO = 'package main\nimport "fmt"\nfunc main() { fmt.Println("hello") }';

export const warm: Subject = {
  name: "warm",
  title: "Programs in interpreters that wait",
  about:
    "Two of each kind wait. With a pause: as an agent calls, when what waits has been made again before the next call. Back to back: one call after the other, so that the two are soon used up and the next are made while others run.",
  scenarios: [
    {
      name: "python",
      what: "`/execute` python hello, with a pause",
      patience: 4,
      targets: [
        { asked: "at most 0.25 of a cold `python3 -c` process", anyOf: [{ figure: "ratio", atMost: 0.25 }] },
      ],
      open: (stage) => withPause(stage, "python", PYTHON_HELLO, [PYTHON, "-c", PYTHON_HELLO]),
    },
    {
      name: "python-back-to-back",
      what: "`/execute` python hello, back to back",
      open: (stage) => backToBack(stage, "python", PYTHON_HELLO, [PYTHON, "-c", PYTHON_HELLO]),
    },
    {
      name: "dataframe",
      what: "`/execute` python DataFrame, with a pause",
      patience: 4,
      targets: [{ asked: "at most 0.05 of the same run cold", anyOf: [{ figure: "ratio", atMost: 0.05 }] }],
      open: async (stage) => {
        needOwnPython();
        const [daemon, cold] = [await stage.daemon(), await stage.daemon(COLD)];
        await untilWarm(daemon, "python", DATA_FRAME);
        const before = () => stage.untilQuiet(daemon.child.pid);
        return [
          { ...running(daemon, "python", DATA_FRAME), before },
          { ...running(cold, "python", DATA_FRAME), what: "the same run cold", before },
        ];
      },
    },
    {
      name: "javascript",
      what: "`/execute` javascript hello, with a pause",
      patience: 4,
      targets: [
        { asked: "at most 0.25 of a cold `node -e` process", anyOf: [{ figure: "ratio", atMost: 0.25 }] },
      ],
      open: (stage) => withPause(stage, "javascript", NODE_HELLO, ["node", "-e", NODE_HELLO]),
    },
    {
      name: "javascript-back-to-back",
      what: "`/execute` javascript hello, back to back",
      open: (stage) => backToBack(stage, "javascript", NODE_HELLO, ["node", "-e", NODE_HELLO]),
    },
    {
      name: "memory",
      what: "memory of what waits: Python, Node.js, pandas",
      unit: "MB",
      isLong: true,
      growth: { of: ["kind", "kinds"], sizes: [1, 2, 3], quick: [1] },
      open: async (stage, kinds) => {
        if (kinds > 1) need("node");
        if (kinds > 2) needOwnPython();
        const daemon = await stage.daemon();
        for (const [language, code] of KINDS.slice(0, kinds)) await untilWarm(daemon, language, code);
        await stage.untilQuiet(daemon.child.pid);
        return [{ what: "ours", call: () => Promise.resolve(waitingFor(daemon.child.pid).mb) }];
      },
    },
    {
      name: "go",
      what: "`/execute` go, same source again",
      targets: [{ asked: "at most 0.1 of `go run`", anyOf: [{ figure: "ratio", atMost: 0.1 }] }],
      open: async (stage) => {
        need("go");
        const daemon = await stage.daemon();
        const path = `${await stage.directory()}/main.go`;
        await Bun.write(path, GO_HELLO);
        return [running(daemon, "go", GO_HELLO), program(stage, ["go", "run", path])];
      },
    },
  ],
};

async function withPause(stage: Stage, language: string, code: string, argv: readonly string[]) {
  const daemon = await stage.daemon();
  await untilWarm(daemon, language, code);
  // Both begin when nothing is being made, or the making would slow whichever comes next.
  const before = () => stage.untilQuiet(daemon.child.pid);
  return [
    { ...running(daemon, language, code), before },
    { ...program(stage, argv), before },
  ] as const;
}

async function backToBack(stage: Stage, language: string, code: string, argv: readonly string[]) {
  const daemon = await stage.daemon();
  await untilWarm(daemon, language, code);
  return [running(daemon, language, code), program(stage, argv)] as const;
}

/** A program through a daemon; tells how many of its runs found an interpreter that waited. */
export function running(daemon: TestDaemon, language: string, code: string): Contender {
  let [runs, warm] = [0, 0];
  return {
    what: "ours",
    pid: daemon.child.pid,
    call: async () => {
      runs += 1;
      if ((await execute(daemon, language, code)) === "warm") warm += 1;
    },
    facts: () => {
      const share = `${Math.round((100 * warm) / runs)} %`;
      const isCold = warm === 0;
      [runs, warm] = [0, 0];
      return isCold ? {} : { "runs in an interpreter that waited": share };
    },
  };
}

/** The bare process that a shell would start. */
function program(stage: Stage, argv: readonly string[]): Contender {
  const [name = "", option = ""] = argv;
  return {
    what: `cold \`${name.replace(/^.*\//, "")} ${option}\`, bare process`,
    call: async () => {
      await stage.run(argv);
    },
  };
}

/** @returns "warm" or "cold" */
async function execute(daemon: TestDaemon, language: string, code: string): Promise<unknown> {
  const { status, body } = await daemon.post("/execute", { language, code });
  if (status !== 200)
    throw new Error(`/execute ${language} answered ${status}: ${body.error ?? body.stderr}`);
  return body["start"];
}

/** Those with packages, and Node.js, are made when a program first could use them. */
export async function untilWarm(daemon: TestDaemon, language: string, code: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) if ((await execute(daemon, language, code)) === "warm") return;
  throw new Error(`no ${language} interpreter came to wait`);
}
