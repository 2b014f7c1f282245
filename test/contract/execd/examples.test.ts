import { afterAll, beforeAll, expect, test } from "bun:test";
import { CLIENT_PYTHON, runProgram } from "../../support/clients.ts";
import { TEST_ACCESS_TOKEN, TEST_API_KEY, TestDaemon } from "../../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ withPython: true });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const BOTH = [
  "command: hello /tmp",
  "failed: 5",
  "live: 1",
  "live: 2",
  "live: 3",
  /^background: started [fF]alse -1$/,
  "session: 42",
  /^file: ["']one\\nthree\\n["'] 640 10$/,
  "code: 42",
];
const KERNELS = ["error: ZeroDivisionError division by zero", "javascript: 3", "typescript: 3", "bash: 3"];

test.each([
  ["javascript.mjs", "node", BOTH],
  ["python.py", CLIENT_PYTHON, [...BOTH, ...KERNELS]],
])("the example %s prints what it should", async (file, interpreter, lines) => {
  const domain = new URL(daemon.execdUrl).host;
  const example = [interpreter, `examples/execd/${file}`, domain, daemon.sandboxId];
  const { code, stdout, stderr } = await runProgram(example, {
    OPEN_SANDBOX_API_KEY: TEST_API_KEY,
    OPENSANDBOX_DISABLE_METRICS: "1",
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const printed = stdout.trim().split("\n");
  expect(printed).toHaveLength(lines.length);
  lines.forEach((line, i) => expect(printed[i]).toMatch(line));
});

test("the example resume.sh goes on where it left", async () => {
  const { code, stdout, stderr } = await runProgram(["sh", "examples/execd/resume.sh"], {
    SANDERLING_EXECD_URL: daemon.execdUrl,
    SANDERLING_ACCESS_TOKEN: TEST_ACCESS_TOKEN,
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toBe("== before\nline 1\n== after\nline 2\nline 3\nexecution_complete\n");
});
