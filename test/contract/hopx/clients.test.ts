import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CLIENT_PYTHON, runProgram } from "../../support/clients.ts";
import { TEST_API_KEY, TestDaemon } from "../../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

async function runsSoFar(): Promise<number> {
  return ((await (await daemon.fetch("/info")).json()) as { total_runs: number }).total_runs;
}

describe("the vendors' libraries, unmodified, connected through the sandbox's own entry", () => {
  test.each([
    ["JavaScript", ["node", "test/contract/hopx/clients/javascript.mjs"], 13],
    ["Python", [CLIENT_PYTHON, "test/contract/hopx/clients/python_client.py"], 17],
  ])(
    "%s runs code and commands, and nothing is run twice",
    async (_, argv, runs) => {
      const before = await runsSoFar();
      const result = await runProgram([...argv, daemon.url, daemon.sandboxId, TEST_API_KEY]);
      expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/ok\n$/) as string });
      expect((await runsSoFar()) - before).toBe(runs);
    },
    60_000,
  );
});

describe("the examples", () => {
  test.each([
    ["javascript.mjs", "node"],
    ["python.py", CLIENT_PYTHON],
  ])("%s prints what it should", async (file, interpreter) => {
    const result = await runProgram([interpreter, `examples/hopx/${file}`, daemon.url, daemon.sandboxId], {
      HOPX_API_KEY: TEST_API_KEY,
    });
    expect(result.stdout).toStartWith("code: 42\nfailed: ");
    expect(result.stdout).toMatch(/ValueError: no\ncommand: hello from \/\S+\n$/);
    expect(result.code).toBe(0);
  });
});
