import { post, spawnOnFloor } from "../harness/calls.ts";
import { need, COLD, PYTHON } from "../harness/stage.ts";
import type { Scenario, Subject } from "../harness/scenario.ts";

interface Program {
  readonly language: string;
  readonly code: string;
  readonly needs: string;
  /** The same program as a shell would start it; none where there is no such command. */
  readonly cold?: readonly string[];
}

const PROGRAMS: readonly Program[] = [
  { language: "python", code: "print('hi')", needs: PYTHON, cold: [PYTHON, "-c", "print('hi')"] },
  {
    language: "javascript",
    code: "console.log('hi')",
    needs: "node",
    cold: ["node", "-e", "console.log('hi')"],
  },
  {
    language: "typescript",
    code: "console.log('hi' as string)",
    needs: "node",
    cold: ["node", "-e", "console.log('hi')"],
  },
  { language: "bash", code: "echo hi", needs: "bash", cold: ["bash", "-c", "echo hi"] },
  { language: "go", code: 'package main\nfunc main() { println("hi") }', needs: "go" },
  {
    language: "java",
    code: 'class Main { public static void main(String[] a) { System.out.println("hi"); } }',
    needs: "javac",
  },
];

export const languages: Subject = {
  name: "languages",
  title: "Programs in interpreters of their own",
  about:
    "`/execute` with `SANDERLING_WARM_INTERPRETERS=0`: what a program costs when nothing has waited for it. Go and Java programs have been built before.",
  scenarios: PROGRAMS.map(scenarioOf),
};

function scenarioOf({ language, code, needs, cold }: Program): Scenario {
  return {
    name: language,
    what: `\`/execute\` ${language}, cold`,
    open: async (stage) => {
      need(needs);
      const [daemon, floor] = [await stage.daemon(COLD), await stage.floor()];
      const call = () => post(daemon, "/execute", { code, language });
      // The first Go or Java program is compiled, with its standard library.
      await call();
      const ours = { what: "ours", pid: daemon.child.pid, call };
      if (cold === undefined) return [ours];
      return [
        ours,
        { what: "cold interpreter over HTTP", pid: floor.child.pid, call: () => spawnOnFloor(floor, cold) },
      ];
    },
  };
}
