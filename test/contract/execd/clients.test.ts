import { afterAll, beforeAll, expect, test } from "bun:test";
import { CLIENT_PYTHON, runProgram } from "../../support/clients.ts";
import { TEST_API_KEY, TestDaemon } from "../../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ withPython: true });
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** The facts that a client program prints, connected with nothing but an address, an id and an API key. */
async function facts(...argv: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await runProgram(argv, {
    DOMAIN: daemon.execdUrl.replace("http://", ""),
    API_KEY: TEST_API_KEY,
    SANDBOX_ID: daemon.sandboxId,
    OPENSANDBOX_DISABLE_METRICS: "1",
  });
  if (code !== 0) throw new Error(`the client ended with ${code}: ${stdout}\n${stderr}`);
  return JSON.parse(stdout.slice(stdout.indexOf("{"))) as Record<string, unknown>;
}

const seven = { ename: "CommandExecError", evalue: "7" };

test("the JavaScript library connects through the sandbox's own entry and does all it offers on commands", async () => {
  const told = await facts("node", "test/contract/execd/clients/commands.mjs");
  expect(told).toMatchObject({
    id: daemon.sandboxId,
    healthy: true,
    state: "Running",
    created: true,
    hello: {
      stdout: ["Hello OpenSandbox"],
      exitCode: 0,
      seen: ["init", "out Hello OpenSandbox", "complete"],
    },
    failed: {
      error: { name: "CommandExecError", value: "5", traceback: ["exit status 5"] },
      stderr: ["odd"],
      exitCode: 5,
      complete: null,
    },
    placed: ["/tmp", "value"],
    late: { value: "-1", traceback: ["signal: killed (timed out after 0.2 s)"] },
    background: { exitCode: null },
    status: { exitCode: 3, sameId: true, finished: true },
    logs: { content: "in the back\n", cursor: 12 },
    interrupted: -1,
    session: [["/tmp"], ["/var", "kept"], ["/var"]],
    seven: { error: { name: seven.ename, value: seven.evalue }, exitCode: 7, complete: null },
    bare: "string",
    list: [daemon.sandboxId],
    none: 0,
  });
  expect(told["noInterrupt"]).toContain("no such session: fake");
  expect(told["gone"]).toContain("context not found");
  for (const refusal of ["kill", "renew"])
    expect(told[refusal]).toContain(`the one sandbox ${daemon.sandboxId}`);
  expect(told["unknown"]).toContain("Sandbox not found: nothing");
});

test("the Python library connects through the sandbox's own entry and does all it offers on commands", async () => {
  const told = await facts(CLIENT_PYTHON, "test/contract/execd/clients/python_commands.py");
  expect(told).toMatchObject({
    info: [daemon.sandboxId, "Running", true],
    endpoint: `${daemon.execdUrl.replace("http://", "")}/proxy/8000`,
    hello: {
      stdout: ["Hello OpenSandbox"],
      exitCode: 0,
      seen: ["init", "out Hello OpenSandbox", "complete"],
    },
    argv: ["a b|$HOME|"],
    failed: {
      stderr: ["odd"],
      exitCode: 5,
      error: ["CommandExecError", "5", ["exit status 5"]],
      complete: false,
    },
    placed: ["/tmp", "value"],
    odd: ["a\u0085b\u2028c"],
    late: ["signal: killed (timed out after 0.2 s)"],
    background: [null, 3, "in the back\n", 12],
    interrupted: -1,
    env: [`it's "here"`],
    session: [["/tmp"], ["/var", "kept"], ["/var"]],
    seven: [seven.ename, seven.evalue, 7, true],
    bare: 36,
    resumed: true,
    list: [daemon.sandboxId],
  });
  expect(told["gone"]).toContain("context not found");
  for (const refusal of ["kill", "renew"])
    expect(told[refusal]).toContain(`the one sandbox ${daemon.sandboxId}`);
  expect(told["unknown"]).toContain("Sandbox not found: nothing");
  expect(told["diagnostics"]).not.toBe("accepted");
});

test("the code-interpreter library finds its runtime and does all it offers", async () => {
  const told = await facts(CLIENT_PYTHON, "test/contract/execd/clients/python_code.py");
  expect(told).toMatchObject({
    id: daemon.sandboxId,
    first: { result: ["4"], count: 1, complete: true, error: null, exitCode: null },
    language: "python",
    kept: ["x is 42\n"],
    initIsContext: true,
    apart: ["NameError", "name 'x' is not defined", false],
    traceback: true,
    stopped: "KeyboardInterrupt",
    after: ["42\n"],
    got: true,
    listed: true,
    left: 0,
  });
  expect(told["deleted"]).toContain("not found");
  expect(told["noLanguage"]).toContain("cobol");
});
