import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunRequest } from "../../src/engine/engine.ts";
import { outcome, until } from "../support/engine.ts";
import { startWarm, WarmAndCold } from "../support/warm.ts";

setDefaultTimeout(60_000);

let lab: WarmAndCold;

beforeAll(async () => {
  lab = await WarmAndCold.open();
  for (const { workspace } of [lab.cold, lab.warm]) {
    await mkdir(join(workspace, "inner"));
    await writeFile(join(workspace, "beside.cjs"), "exports.value = 7;");
    await writeFile(join(workspace, "beside.mjs"), "export const value = 8;");
  }
});

afterAll(() => lab[Symbol.asyncDispose]());

const PROGRAMS: Readonly<Record<string, string | { code: string; request: RunRequest }>> = {
  names: `console.log(__filename, __dirname, require.main === module, module.id, process.argv.length, process.argv[1])
console.log(process.execArgv, process.title, typeof process.send, process.mainModule === module)`,
  globals: "console.log(Object.getOwnPropertyNames(globalThis).join())",
  "an uncaught error": "function f() { throw new TypeError('no') }\nf()",
  "a rejection": "Promise.reject(new Error('no'))",
  "a syntax error": "let x = ;",
  "a stack": "console.log(new Error('x').stack)",
  "an exit code": "process.exitCode = 4; process.on('exit', (c) => console.log('exit', c))",
  "process.exit": "process.exit(7)",
  "a signal": "process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 9999)",
  "an abort": "process.abort()",
  "require and import": `import { value } from "./beside.mjs";
console.log(value, require("./beside.cjs").value, import.meta.url.startsWith("file:"), await Promise.resolve(1))`,
  "top-level await": "console.log(await Promise.resolve(3), typeof require)",
  "no stdin": "process.stdin.on('data', (d) => console.log(d)).on('end', () => console.log('end'))",
  streams: `for (const s of [process.stdin, process.stdout, process.stderr]) console.log(s.constructor.name, s.fd, s.isTTY)
require("fs").writeFileSync("/dev/stdout", "reopened\\n")`,
  "open descriptors": `console.log(require("fs").readdirSync("/proc/self/fd").length)`,
  environment: {
    code: "console.log(process.env.MINE, process.env.GONE, require('child_process').execSync('echo $MINE').toString())",
    request: { env: { MINE: "a=b\nc" } },
  },
  "the variables by name":
    "console.log(Object.keys(process.env).filter((n) => n !== 'SANDERLING_TEST_ENGINE').sort().join())",
  "a directory of its own": { code: "console.log(process.cwd(), __dirname)", request: { cwd: "inner" } },
  "worker threads": `const { Worker } = require("worker_threads")
new Worker("require('worker_threads').parentPort.postMessage(process.cwd())", { eval: true }).on("message", console.log)`,
  timers:
    "process.nextTick(() => console.log(0)); setImmediate(() => { console.log(1); setTimeout(() => console.log(2), 5); });",
  "memory and limits":
    "console.log(v8 = require('v8').getHeapStatistics().heap_size_limit, process.getuid(), process.umask())",
  "large output": "process.stdout.write('x'.repeat(3_000_000))",
};

describe("an interpreter that has waited shows a program what one of its own shows it", () => {
  test.each(Object.entries(PROGRAMS))("%s", async (_, program) => {
    const { code, request } = typeof program === "string" ? { code: program, request: {} } : program;
    const [theirs, ours] = await lab.both("javascript", code, request);
    expect(ours).toEqual(theirs);
  });

  test("also in TypeScript", async () => {
    const [theirs, ours] = await lab.both(
      "typescript",
      "const a: number = 1; console.log(a, __filename); throw new Error('x')",
    );
    expect(ours).toEqual(theirs);
  });
});

describe("a warm run", () => {
  test.each([
    ["input", { stdin: "x" }],
    ["options that an interpreter reads when it starts", { env: { NODE_OPTIONS: "--no-warnings" } }],
    ["another time zone", { env: { TZ: "Asia/Tokyo" } }],
    ["a limit of open files", { limits: { openFiles: 100 } }],
  ] as const)("is none with %s: an interpreter is started for it", async (_, request) => {
    await outcome(await startWarm(lab.warm, "javascript", "1"));
    await using run = await lab.warm.code("javascript", "console.log(2)", request);
    expect([run.isWarm, (await outcome(run)).stdout]).toEqual([false, "2\n"]);
  });

  test("is stopped by its timeout", async () => {
    const run = await startWarm(lab.warm, "javascript", "for (;;);", { timeoutMs: 300 });
    expect((await outcome(run)).end).toEqual({ cause: "timed_out", afterMs: 300 });
  });

  test("leaves no descriptor of the daemon open", async () => {
    const count = () =>
      Array.from(new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false })).length;
    for (let i = 0; i < 3; i++) await outcome(await startWarm(lab.warm, "javascript", "1"));
    const before = count();
    for (let i = 0; i < 10; i++) await outcome(await startWarm(lab.warm, "javascript", "1"));
    await until(() => count() <= before + 4);
  });
});
