import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { LanguageId } from "../../../src/engine/code/languages.ts";
import type { KernelContext } from "../../../src/engine/kernels/context.ts";
import { execute, only, openKernels, type Told } from "../../support/kernels.ts";

setDefaultTimeout(120_000);

/** The same cases in each language; each is what a user would write. */
interface Cases {
  readonly language: LanguageId;
  /** Prints "out" to stdout and "err" to stderr. */
  readonly print: string;
  /** Code whose last expression has the value; undefined where the language has no such thing. */
  readonly value: readonly [code: string, shown: string] | undefined;
  /** Fails in its second line. */
  readonly error: readonly [code: string, name: string, told: RegExp];
  readonly doesNotParse: string;
  readonly state: readonly string[];
  /** Prints the sum of what `state` left. */
  readonly readState: string;
  readonly unicode: string;
  /** Prints 2,000,000 times "x". */
  readonly large: string;
  /** Reads a line and prints it in brackets. */
  readonly readLine: string;
  readonly busy: string;
  readonly sleep: string;
  readonly swallows: string;
  readonly exit: string;
  readonly killed: string;
  readonly eatsMemory: string;
  /** Whether a value too large for the limit is the language's own error, told before the kernel is killed. */
  readonly hasOwnLimit?: boolean;
}

const IMPORTS = 'import ("fmt"; "os"; "strings"; "time"; "os/exec")\n';
const TABLE: readonly Cases[] = [
  {
    language: "python",
    print: "import sys\nprint('out')\nprint('err', file=sys.stderr)",
    value: ["x = 20\nx + 22", "42"],
    error: ["x = 1\nx / 0", "ZeroDivisionError", /line 2/],
    doesNotParse: "def (",
    state: ["a = 40", "def two():\n    return 2"],
    readState: "print(a + two())",
    unicode: "print('žluť 漢字 🎉')",
    large: "print('x' * 2_000_000)",
    readLine: "print(f'[{input()}]')",
    busy: "while True: pass",
    sleep: "import time; time.sleep(3600)",
    swallows: "while True:\n    try:\n        while True: pass\n    except KeyboardInterrupt: pass",
    exit: "import os; os._exit(3)",
    killed: "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    eatsMemory: "kept = []\nwhile True: kept.append(bytearray(16 << 20))",
  },
  {
    language: "bash",
    print: "echo out; echo err >&2",
    value: undefined,
    error: ["x=1\nnosuchprogram", "ExitStatus", /127/],
    doesNotParse: "if then",
    state: ["a=40; declare b=2", "sum() { echo $((a + b)); }"],
    readState: "sum",
    unicode: "echo 'žluť 漢字 🎉'",
    large: "head -c 2000000 /dev/zero | tr '\\0' x",
    readLine: 'read -r line; echo "[$line]"',
    busy: "while true; do :; done",
    sleep: "sleep 3600",
    swallows: "trap '' INT; while true; do :; done",
    exit: "exit 3",
    killed: "kill -KILL $$",
    eatsMemory: 'kept=x; while true; do kept="$kept$kept"; done',
  },
  {
    language: "javascript",
    print: "console.log('out'); console.error('err')",
    value: ["const x = await Promise.resolve(20);\nx + 22", "42"],
    error: ["const y = 1;\nnull.field", "TypeError", /cell-\d+\.js:2:6/],
    doesNotParse: "let = = 1",
    state: ["let a = 40", "import { sep } from 'node:path';\nfunction two() { return sep.length + 1 }"],
    readState: "console.log(a + two())",
    unicode: "console.log('žluť 漢字 🎉')",
    large: "process.stdout.write('x'.repeat(2_000_000))",
    readLine: "console.log(`[${prompt()}]`)",
    busy: "while (true) {}",
    sleep: "await new Promise((resolve) => setTimeout(resolve, 3_600_000))",
    swallows: "while (true) { try { while (true) {} } catch {} }",
    exit: "process.exit(3)",
    killed: "process.kill(process.pid, 'SIGKILL'); while (true) {}",
    eatsMemory: "const kept = []; while (true) kept.push(Buffer.alloc(16 << 20, 1))",
  },
  {
    language: "typescript",
    print: "const s: string = 'out'; console.log(s); console.error('err')",
    value: ["interface P { x: number }\nconst p: P = { x: 42 };\np.x as number", "42"],
    error: ["const y: number = 1;\nthrow new RangeError('no')", "RangeError", /cell-\d+\.js:2:7/],
    doesNotParse: "let x: = 1",
    state: ["let a: number = 40", "enum N { Two = 2 }"],
    readState: "console.log(a + N.Two)",
    unicode: "console.log('žluť 漢字 🎉')",
    large: "process.stdout.write('x'.repeat(2_000_000))",
    readLine: "console.log(`[${prompt()}]`)",
    busy: "while (true) {}",
    sleep: "await new Promise<void>((resolve) => setTimeout(resolve, 3_600_000))",
    swallows: "while (true) { try { while (true) {} } catch {} }",
    exit: "process.exit(3)",
    killed: "process.kill(process.pid, 'SIGKILL'); while (true) {}",
    eatsMemory: "const kept: Buffer[] = []; while (true) kept.push(Buffer.alloc(16 << 20, 1))",
  },
  {
    language: "java",
    print: 'System.out.println("out"); System.err.println("err");',
    value: ["int x = 20;\nx + 22", "42"],
    error: ['int y = 1;\nInteger.parseInt("no");', "RuntimeException", /NumberFormatException/],
    doesNotParse: "int x = ;",
    state: ["int a = 40;", "int two() { return 2; }"],
    readState: "System.out.println(a + two());",
    unicode: 'System.out.println("žluť 漢字 🎉");',
    large: 'System.out.print("x".repeat(2_000_000));',
    readLine: 'System.out.println("[" + new java.util.Scanner(System.in).nextLine() + "]");',
    busy: "while (true) {}",
    sleep: "Thread.sleep(3_600_000);",
    swallows: "while (true) { try { Thread.sleep(1000); } catch (Throwable caught) {} }",
    exit: "System.exit(3);",
    killed:
      'new ProcessBuilder("kill", "-KILL", "" + ProcessHandle.current().pid()).start(); while (true) {}',
    eatsMemory:
      "var kept = new ArrayList<Object>(); while (true) kept.add(java.nio.ByteBuffer.allocateDirect(64 << 20));",
    hasOwnLimit: true,
  },
  {
    language: "go",
    print: 'import ("fmt"; "os")\nfmt.Println("out"); fmt.Fprintln(os.Stderr, "err")',
    value: ["x := 20\nx + 22", "42"],
    error: ['y := 1\nvar z int = "s"', "CompileError", /cell\.go:2/],
    doesNotParse: "x := = 1",
    state: ["a := 40", "func two() int { return 2 }"],
    readState: `${IMPORTS}fmt.Println(a + two())`,
    unicode: `${IMPORTS}fmt.Println("žluť 漢字 🎉")`,
    large: `${IMPORTS}fmt.Print(strings.Repeat("x", 2000000))`,
    readLine: `${IMPORTS}var line string\nfmt.Scanln(&line)\nfmt.Printf("[%s]\\n", line)`,
    busy: "for {}",
    sleep: `${IMPORTS}time.Sleep(time.Hour)`,
    swallows: "for { func() { defer func() { recover() }(); for {} }() }",
    exit: `${IMPORTS}os.Exit(3)`,
    killed: `${IMPORTS}exec.Command("kill", "-KILL", fmt.Sprint(os.Getpid())).Run(); for {}`,
    eatsMemory: `var kept [][]byte\nfor { b := make([]byte, 16 << 20); for i := 0; i < len(b); i += 4096 { b[i] = 1 }; kept = append(kept, b) }`,
  },
];

const ok = { cause: "exited", code: 0 } as const;
const failed = { cause: "exited", code: 1 } as const;
const MEMORY = 400 * 2 ** 20;

describe.each(TABLE)("a context for $language", (cases) => {
  test("prints, shows values, tells errors and keeps state", async () => {
    await using lab = await openKernels();
    const context = await lab.contexts.create({ language: cases.language });
    await showsValues(context, cases);
    const sum = await keepsState(context, cases);
    expect(sum).toMatchObject({ end: ok, stdout: "42\n" });
    expect((await execute(context, cases.unicode)).stdout).toBe("žluť 漢字 🎉\n");
    const large = await execute(context, cases.large);
    expect({ end: large.end, length: large.stdout.trimEnd().length }).toEqual({ end: ok, length: 2_000_000 });
    const line = await execute(context, cases.readLine, { stdin: "from-stdin\n" });
    expect(line).toMatchObject({ end: ok, stdout: "[from-stdin]\n" });
  });

  test("is interrupted while it computes, sleeps and refuses", async () => {
    await using lab = await openKernels({ interruptGraceMs: 3000 });
    const context = await lab.contexts.create({ language: cases.language });
    await keepsState(context, cases);
    for (const code of [cases.busy, cases.sleep]) {
      const interrupted = await interrupt(context, code);
      expect(interrupted).toMatchObject({ how: "interrupted", end: { cause: "exited", code: 1 } });
    }
    expect((await execute(context, cases.readState)).stdout).toBe("42\n");
    const { how, name } = await interrupt(context, cases.swallows);
    expect(["interrupted", "restarted"]).toContain(how);
    // Where the state is lost the run has been told so.
    expect(name === "KernelRestarted").toBe(how === "restarted");
    expect((await keepsState(context, cases)).stdout).toBe("42\n");
  });

  test("says why it died", async () => {
    await using lab = await openKernels();
    const dies = async (code: string, limits = {}) => {
      const context = await lab.contexts.create({ language: cases.language, limits });
      const { end, events } = await execute(context, code);
      return { end, state: context.state, death: context.death, told: events };
    };
    const exited = { cause: "exited", code: 3 } as const;
    expect(await dies(cases.exit)).toMatchObject({ end: exited, state: "dead", death: exited });
    const killed = { cause: "signalled", signal: "SIGKILL" } as const;
    expect(await dies(cases.killed)).toMatchObject({ end: killed, state: "dead", death: killed });
    if (!lab.lab.engine.containment.enforces.memory) return;
    const starved = await dies(cases.eatsMemory, { memoryBytes: MEMORY });
    if (cases.hasOwnLimit && starved.end.cause === "exited")
      expect(JSON.stringify(starved.told)).toContain("OutOfMemory");
    else
      expect(starved).toMatchObject({ end: { cause: "out_of_memory", limitBytes: MEMORY }, state: "dead" });
  });
});

async function showsValues(context: KernelContext, cases: Cases): Promise<void> {
  expect(await execute(context, cases.print)).toMatchObject({ end: ok, stdout: "out\n", stderr: "err\n" });
  if (cases.value) {
    const [code, shown] = cases.value;
    const [result] = only(await execute(context, code), "result");
    expect(result?.data["text/plain"]).toBe(shown);
  }
  const [code, name, told] = cases.error;
  const error = await execute(context, code);
  expect(error.end).toEqual(failed);
  const [failure] = only(error, "failed");
  expect(failure?.name).toBe(name);
  expect(plain(failure)).toMatch(told);
  expect((await execute(context, cases.doesNotParse)).end).toEqual(failed);
}

async function keepsState(context: KernelContext, cases: Cases): Promise<Told> {
  for (const code of cases.state) expect(await execute(context, code)).toMatchObject({ end: ok });
  return execute(context, cases.readState);
}

async function interrupt(context: KernelContext, code: string) {
  await using run = await context.execute({ code });
  await run.begun;
  const how = await context.interrupt();
  const told: string[] = [];
  for await (const event of run.events()) if (event.type === "failed") told.push(event.name);
  const { end } = await run.outcome;
  return { how, end, name: told.at(-1) };
}

function plain(
  failure: { readonly message: string; readonly traceback: readonly string[] } | undefined,
): string {
  return Bun.stripANSI([failure?.message, ...(failure?.traceback ?? [])].join("\n"));
}
