import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LANGUAGES, findLanguage, type LanguageId } from "../../src/engine/code/languages.ts";
import { languageNamed } from "../../src/engine/engine.ts";
import { openEngine, outcome, refusal } from "../support/engine.ts";

// A loaded machine is slow, not wrong; whoever hangs is told by `until` or by this.
setDefaultTimeout(60_000);

/** The tests of one language, or a note in their place on a machine without it. */
function language(id: LanguageId, tests: () => void): void {
  const isHere = findLanguage(id)?.programs.some((name) => Bun.which(name) !== null) ?? false;
  if (isHere) describe(id, tests);
  else test.skip(`${id} is not installed on this machine: its tests are left out`, () => undefined);
}

/** Caches of their own, but the Go compiler's: without it, the standard library would be built each time. */
const goCache =
  Bun.which("go") === null ? "" : Bun.spawnSync(["go", "env", "GOCACHE"]).stdout.toString().trim();
const open = () => openEngine({ inheritedEnvironment: { GOCACHE: goCache } });

/** Runs one program in an engine of its own. */
async function run(id: LanguageId, code: string, stdin?: string) {
  await using lab = await open();
  return await outcome(lab.code(id, code, { stdin }));
}

language("python", () => {
  test("prints and reads stdin", async () => {
    const done = await run("python", "import sys\nprint('hi', sys.stdin.read())", "line €");
    expect(done).toMatchObject({ end: { cause: "exited", code: 0 }, stdout: "hi line €\n", stderr: "" });
  });

  test("is a main program by the name /main.py in the working directory", async () => {
    await using lab = await open();
    const code = "import sys, os\nprint(sys.argv, __name__, sys.path[0] == os.getcwd(), os.getcwd())";
    expect((await outcome(lab.code("python", code))).stdout).toBe(
      `['/main.py'] __main__ True ${lab.workspace}\n`,
    );
  });

  test("shows its own lines and nothing of ours when it fails", async () => {
    const { stderr, end } = await run("python", "def f():\n    return missing\n\nf()\n");
    expect(end).toEqual({ cause: "exited", code: 1 });
    expect(stderr).toContain('File "/main.py", line 4, in <module>\n    f()');
    expect(stderr).toContain('File "/main.py", line 2, in f\n    return missing');
    expect(stderr).toEndWith("NameError: name 'missing' is not defined\n");
    expect(stderr).not.toContain("sanderling");
  });

  test("shows a syntax error with its line", async () => {
    const { stderr, end } = await run("python", "x = 1\nprint(x\n");
    expect(end).toEqual({ cause: "exited", code: 1 });
    expect(stderr).toContain('File "/main.py", line 2\n    print(x\n');
    expect(stderr).toContain("SyntaxError");
    expect(stderr).not.toContain("sanderling");
  });

  test("shows its lines also where it prints the traceback itself", async () => {
    const code = "import traceback\ntry:\n    1 / 0\nexcept Exception:\n    traceback.print_exc()\n";
    const { stderr, end } = await run("python", code);
    expect(end).toEqual({ cause: "exited", code: 0 });
    expect(stderr).toContain('File "/main.py", line 3, in <module>\n    1 / 0');
  });

  test("shows its lines also for an exception in a thread", async () => {
    const code =
      "import threading\ndef work():\n    raise ValueError('in thread')\nt = threading.Thread(target=work)\nt.start(); t.join()\n";
    const { stderr, end } = await run("python", code);
    expect(end).toEqual({ cause: "exited", code: 0 });
    expect(stderr).toContain('File "/main.py", line 3, in work\n    raise ValueError');
  });

  test.each([
    ["sys.exit()", 0, ""],
    ["sys.exit(None)", 0, ""],
    ["sys.exit(7)", 7, ""],
    ["sys.exit('bye')", 1, "bye\n"],
    ["raise SystemExit(3)", 3, ""],
    ["import os; os._exit(9)", 9, ""],
  ])("ends by %s as Python itself would", async (statement, code, stderr) => {
    const done = await run("python", `import sys\n${statement}\n`);
    expect(done).toMatchObject({ end: { cause: "exited", code }, stderr });
  });

  test("dies by SIGINT of a KeyboardInterrupt that nobody catches", async () => {
    const { end, stderr } = await run("python", "raise KeyboardInterrupt\n");
    expect(end).toEqual({ cause: "signalled", signal: "SIGINT" });
    expect(stderr).toContain('File "/main.py", line 1');
  });

  test("keeps to an excepthook of its own", async () => {
    const code =
      "import sys\nsys.excepthook = lambda kind, error, trace: print('mine', error, file=sys.stderr)\n1 / 0";
    const done = await run("python", code);
    expect(done).toMatchObject({ end: { cause: "exited", code: 1 }, stderr: "mine division by zero\n" });
  });

  test("imports what is in the working directory", async () => {
    await using lab = await open();
    await mkdir(join(lab.workspace, "below"));
    await writeFile(join(lab.workspace, "below", "helper.py"), "def greet():\n    return 'from helper'\n");
    const done = await outcome(lab.code("python", "import helper\nprint(helper.greet())", { cwd: "below" }));
    expect(done.stdout).toBe("from helper\n");
  });

  test("starts other processes of itself", async () => {
    const code = `
import multiprocessing as mp
def square(x):
    return x * x
if __name__ == "__main__":
    mp.set_start_method("spawn")
    with mp.Pool(2) as pool:
        print(pool.map(square, [1, 2, 3]))
`;
    const done = await run("python", code);
    expect(done).toMatchObject({ end: { cause: "exited", code: 0 }, stdout: "[1, 4, 9]\n" });
  });

  test("can show the source of its functions and classes", async () => {
    const code =
      "import inspect\ndef f():\n    return 1\nclass C:\n    x = 2\nprint(inspect.getsource(f) + inspect.getsource(C))";
    expect((await run("python", code)).stdout).toBe("def f():\n    return 1\nclass C:\n    x = 2\n\n");
  });

  test("may have a coding cookie, a byte order mark and any line ends", async () => {
    const cookie = await run("python", "# -*- coding: utf-8 -*-\r\nx = 'é'\r\nprint(x)\r\n1 / 0\r\n");
    expect(cookie.stdout).toBe("é\n");
    expect(cookie.stderr).toContain('File "/main.py", line 4, in <module>\n    1 / 0');
    expect((await run("python", "\ufeffprint('marked')")).stdout).toBe("marked\n");
  });
});

language("javascript", () => {
  test("prints and reads stdin", async () => {
    const code = "console.log('hi', require('fs').readFileSync(0, 'utf8'))";
    expect(await run("javascript", code, "line €")).toMatchObject({
      end: { cause: "exited", code: 0 },
      stdout: "hi line €\n",
    });
  });

  test("is a file main.js of the working directory that is not there", async () => {
    await using lab = await open();
    const code =
      "console.log(__filename, __dirname, require.main === module, process.argv.length, process.argv[1])";
    expect((await outcome(lab.code("javascript", code))).stdout).toBe(
      `${lab.workspace}/main.js ${lab.workspace} true 2 ${lab.workspace}/main.js\n`,
    );
    expect(await readdir(lab.workspace)).toEqual([]);
  });

  test("shows its own lines and nothing of ours when it fails", async () => {
    const { stderr, end } = await run("javascript", "function f() {\n  null.x;\n}\nf();\n");
    expect(end).toEqual({ cause: "exited", code: 1 });
    expect(stderr).toMatch(/main\.js:2\n {2}null\.x;/);
    expect(stderr).toMatch(/at f \(.*main\.js:2:8\)/);
    expect(stderr).toMatch(/main\.js:4:1/);
    expect(stderr).not.toContain("main.cjs");
  });

  test("shows a syntax error with its line", async () => {
    const { stderr, end } = await run("javascript", "const a = 1;\nconst b = ;\n");
    expect(end).toEqual({ cause: "exited", code: 1 });
    expect(stderr).toMatch(/main\.js:2\nconst b = ;/);
    expect(stderr).toContain("SyntaxError");
  });

  test.each([
    ["process.exit(7)", 7],
    ["process.exitCode = 8", 8],
    ["import fs from 'node:fs'; process.exit(fs ? 9 : 0)", 9],
    ["await 1; process.exit(10)", 10],
    ["Promise.reject(new Error('x'))", 1],
    ["import 'node:fs'; throw new Error('x')", 1],
    ["const fs = require('fs'); await Promise.reject(new Error('x'))", 1],
    ["await new Promise(() => {})", 13],
  ])("%s ends with its code", async (code, expected) => {
    expect((await run("javascript", code)).end).toEqual({ cause: "exited", code: expected });
  });

  test("may import, await at the top level, and mix that with require", async () => {
    const code = [
      "import { join } from 'node:path';\nconsole.log(await Promise.resolve(join('a', 'b')), typeof import.meta.url)",
      "const { join } = require('node:path');\nconsole.log(await Promise.resolve(join('a', 'b')), typeof require)",
      "import fs from 'node:fs';\nconst { join } = require('node:path');\nconsole.log(join('a', 'b'), typeof fs)",
      "import('node:path').then(({ join }) => console.log(join('a', 'b'), typeof module))",
    ];
    const types = ["string", "function", "object", "object"];
    await using lab = await open();
    const lines = await Promise.all(code.map((text) => outcome(lab.code("javascript", text))));
    expect(lines.map(({ stdout }) => stdout)).toEqual(types.map((type) => `a/b ${type}\n`));
  });

  test("shows its own lines when it fails as a module or after an await", async () => {
    for (const code of [
      "import fs from 'node:fs';\n\nnull.x;\n",
      "const fs = require('fs');\nawait 1;\nnull.x;\n",
    ]) {
      const { stderr, end } = await run("javascript", code);
      expect(end).toEqual({ cause: "exited", code: 1 });
      expect(stderr).toMatch(/main\.js:3/);
      expect(stderr).toContain("null.x;");
    }
  });

  test("finds files and packages from the working directory", async () => {
    await using lab = await open();
    await writeFile(join(lab.workspace, "data.json"), '{"n": 42}');
    await writeFile(join(lab.workspace, "helper.mjs"), "export const name = 'helper';");
    await mkdir(join(lab.workspace, "node_modules", "pkg"), { recursive: true });
    await writeFile(join(lab.workspace, "node_modules", "pkg", "index.js"), "module.exports = 'package';");
    const required = "console.log(require('./data.json').n, require('pkg'))";
    const imported = "import { name } from './helper.mjs';\nimport pkg from 'pkg';\nconsole.log(name, pkg)";
    expect((await outcome(lab.code("javascript", required))).stdout).toBe("42 package\n");
    expect((await outcome(lab.code("javascript", imported))).stdout).toBe("helper package\n");
  });

  test("may begin with a line for the shell and end with a comment", async () => {
    expect((await run("javascript", "#!/usr/bin/env node\nconsole.log(await 1) // end")).stdout).toBe("1\n");
  });
});

language("typescript", () => {
  test("has its types taken out and its enums kept", async () => {
    const code = `enum Color { Red = 1, Green }
interface Point { x: number }
const point: Point = { x: Color.Green as number };
function id<T>(value: T): T { return value }
console.log(id<number>(point.x), Color[1]);`;
    expect(await run("typescript", code)).toMatchObject({ end: { code: 0 }, stdout: "2 Red\n", stderr: "" });
  });

  test("may import types and await at the top level", async () => {
    const code =
      "import { join } from 'node:path';\nimport type { Stats } from 'node:fs';\nconst s: Stats | null = null;\nconsole.log(await join('a', 'b'), s)";
    expect((await run("typescript", code)).stdout).toBe("a/b null\n");
  });

  test("shows its own line when it fails", async () => {
    const { stderr, end } = await run(
      "typescript",
      "interface A {\n  a: number;\n}\nthrow new Error('x' as string);\n",
    );
    expect(end).toEqual({ cause: "exited", code: 1 });
    expect(stderr).toMatch(/main\.ts:4/);
  });

  test("shows a syntax error with its line", async () => {
    const { stderr, end } = await run("typescript", "const a: number = 1;\nconst b = ;\n");
    expect(end).toEqual({ cause: "exited", code: 1 });
    expect(stderr).toMatch(/main\.ts:2\nconst b = ;\n {10}\^\n\nSyntaxError: /);
  });
});

language("bash", () => {
  test("prints, reads stdin and exits as it says", async () => {
    const done = await run("bash", 'read -r line; echo "got $line ${BASH_VERSION%%.*}"; exit 5', "text\n");
    expect(done.end).toEqual({ cause: "exited", code: 5 });
    expect(done.stdout).toMatch(/^got text \d+\n$/);
  });

  test("shows its own line when it fails", async () => {
    const { stderr, end } = await run("bash", "true\nno-such-command\n");
    expect(end).toEqual({ cause: "exited", code: 127 });
    expect(stderr).toBe("main.sh: line 2: no-such-command: command not found\n");
  });

  test("may be larger than the kernel takes as one argument", async () => {
    const done = await run("bash", `# ${"x".repeat(300_000)}\necho large`);
    expect(done).toMatchObject({ end: { cause: "exited", code: 0 }, stdout: "large\n" });
  });
});

language("go", () => {
  const hello = 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("hi go")\n}\n';

  test("is built once for the same program", async () => {
    await using lab = await open();
    expect(await outcome(lab.code("go", hello))).toMatchObject({ end: { code: 0 }, stdout: "hi go\n" });
    const built = join(lab.home, ".cache", "sanderling", "go");
    expect(await readdir(built)).toHaveLength(1);
    // Without a compiler's variables it could not build again.
    const again = await outcome(lab.code("go", hello, { env: { GOCACHE: "off", GOROOT: "/nowhere" } }));
    expect(again).toMatchObject({ end: { code: 0 }, stdout: "hi go\n" });
    expect(await readdir(built)).toHaveLength(1);
    expect(await readdir(lab.workspace)).toEqual([]);
  });

  test("shows its own line when it does not compile, and is not kept", async () => {
    await using lab = await open();
    const { stderr, end } = await outcome(lab.code("go", "package main\n\nfunc main() {\n\tmissing()\n}\n"));
    expect(end).toEqual({ cause: "exited", code: 1 });
    expect(stderr).toContain("./main.go:4:2: undefined: missing");
    expect(stderr).not.toContain(lab.temporary);
  });

  test("shows its own line when it panics, reads stdin and exits as it says", async () => {
    const code = `package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	line, _ := bufio.NewReader(os.Stdin).ReadString('\\n')
	fmt.Print("got ", line)
	if len(line) > 3 {
		os.Exit(6)
	}
	panic("boo")
}
`;
    await using lab = await open();
    const exits = await outcome(lab.code("go", code, { stdin: "text\n" }));
    expect(exits).toMatchObject({ end: { cause: "exited", code: 6 }, stdout: "got text\n" });
    const panics = await outcome(lab.code("go", code, { stdin: "\n" }));
    expect(panics.end).toEqual({ cause: "exited", code: 2 });
    expect(panics.stderr).toContain("panic: boo");
    expect(panics.stderr).toContain("main.go:15");
  });
});

language("java", () => {
  const hello = `import java.util.Scanner;
public class Hello {
  public static void main(String[] args) {
    System.out.println("hi " + new Scanner(System.in).nextLine());
    if (args.length == 0) throw new IllegalStateException("boo");
  }
}
`;

  test("is compiled once for the same program, and shows its own line when it fails", async () => {
    await using lab = await open();
    for (let round = 0; round < 2; round++) {
      const { end, stdout, stderr } = await outcome(lab.code("java", hello, { stdin: "text\n" }));
      expect(end).toEqual({ cause: "exited", code: 1 });
      expect(stdout).toBe("hi text\n");
      expect(stderr).toContain("at Hello.main(Hello.java:5)");
      expect(await readdir(join(lab.home, ".cache", "sanderling", "java"))).toHaveLength(1);
    }
    expect(await readdir(lab.workspace)).toEqual([]);
  });

  test("shows its own line when it does not compile, and is not kept", async () => {
    await using lab = await open();
    const { end, stderr } = await outcome(
      lab.code("java", "class Main {\n  public static void main(String[] a) {\n    missing();\n  }\n}\n"),
    );
    expect(end).toEqual({ cause: "exited", code: 1 });
    expect(stderr).toStartWith("Main.java:3: error:");
    expect(await readdir(lab.home)).toEqual([]);
  });

  test("exits as it says", async () => {
    const code = "class Main { public static void main(String[] a) { System.exit(11); } }";
    expect((await run("java", code)).end).toEqual({ cause: "exited", code: 11 });
  });
});

describe("a language that is not on the machine", () => {
  test.each(LANGUAGES.map(({ id }) => [id] as const))("%s is refused with what brings it", async (id) => {
    await using lab = await open();
    await mkdir(join(lab.workspace, "empty"));
    const error = await refusal(lab.code(id, "x", { env: { PATH: join(lab.workspace, "empty") } }));
    const command = `sanderling setup ${languageNamed(id).setup}`;
    expect(error).toMatchObject({ code: "unsupported", details: { language: id, setup: command } });
    expect(error.message).toContain(command);
    const [scratch = ""] = await readdir(lab.temporary);
    expect(await readdir(join(lab.temporary, scratch))).toEqual(["runtimes"]);
  });

  test("is told apart from one that nobody knows", () => {
    expect(() => languageNamed("cobol")).toThrow("Invalid language: cobol");
  });
});

describe("the table of languages", () => {
  test("finds each by its id and aliases, in any case, and none twice", () => {
    const names = LANGUAGES.flatMap(({ id, aliases }) => [id, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
    for (const { id, aliases } of LANGUAGES)
      for (const name of [id, ...aliases]) expect(findLanguage(name.toUpperCase())?.id).toBe(id);
  });

  test("tells which are on this machine", async () => {
    await using lab = await open();
    const told = lab.engine.languages().map(({ language: { id }, program }) => [id, program !== undefined]);
    expect(told).toEqual(
      LANGUAGES.map(({ id, programs }) => [id, programs.some((name) => Bun.which(name) !== null)]),
    );
  });
});
