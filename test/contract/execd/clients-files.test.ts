import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod } from "node:fs/promises";
import { CLIENT_PYTHON, runProgram } from "../../support/clients.ts";
import { TEST_API_KEY, TestDaemon } from "../../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  // The users that files are used as must be able to come as far as the workspace.
  await chmod(daemon.directory, 0o755);
});
afterAll(() => daemon[Symbol.asyncDispose]());

test.each([
  ["JavaScript", "node", "files.mjs"],
  ["Python", CLIENT_PYTHON, "python_files.py"],
])(
  "the %s library does all it offers on files, directories, metrics and isolation",
  async (_, interpreter, program) => {
    const result = await runProgram([interpreter, `test/contract/execd/clients/${program}`], {
      DOMAIN: daemon.execdUrl.replace("http://", ""),
      API_KEY: TEST_API_KEY,
      SANDBOX_ID: daemon.sandboxId,
      WORKSPACE: daemon.workspace,
      OPENSANDBOX_DISABLE_METRICS: "1",
    });
    // The Python library logs every refusal, so what it says there matters only when something is wrong.
    expect(result).toMatchObject({ code: 0, stdout: "ok\n" });
  },
  60_000,
);

test("variables set over one API are seen by runs of the other", async () => {
  const set = { env_vars: { SET_BY_ONE: "seen by the other" } };
  await daemon.post("/commands/run", { command: "true" });
  await daemon.fetch("/env", {
    method: "PATCH",
    body: JSON.stringify(set),
    headers: { "content-type": "application/json" },
  });
  const run = await daemon.execd("/command", {
    method: "POST",
    body: JSON.stringify({ command: "echo $SET_BY_ONE > by-execd; cat by-execd" }),
  });
  expect(await run.text()).toContain('"text":"seen by the other"');
  const read = await daemon.fetch("/files/read?path=by-execd");
  expect(await read.json()).toMatchObject({ content: "seen by the other\n" });
});
