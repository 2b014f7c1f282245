import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CLIENT_PYTHON, runProgram } from "../../support/clients.ts";
import { TEST_API_KEY, TestDaemon } from "../../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

describe("the vendors' libraries, unmodified", () => {
  test.each([
    ["JavaScript", ["node", "test/contract/hopx/clients/javascript-streams.mjs"]],
    [
      "Python, synchronous and asynchronous,",
      [CLIENT_PYTHON, "test/contract/hopx/clients/python_streams.py"],
    ],
  ])(
    "%s stream code and watch files",
    async (_, argv) => {
      const result = await runProgram([...argv, daemon.url, daemon.sandboxId, TEST_API_KEY], {
        WORKSPACE: daemon.workspace,
      });
      expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/ok\n$/) as string });
    },
    60_000,
  );
});
