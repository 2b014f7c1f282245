// Everything of this API that the JavaScript library offers so far. Run by clients.test.ts; fails by throwing.
import assert from "node:assert/strict";
import { APIError, Sandbox, SandboxExpiredError } from "@hopx-ai/sdk";

const [url, id, key] = process.argv.slice(2);
const sandbox = await Sandbox.connect(id, key, url);

const hello = await sandbox.runCode("print('hello')");
assert.deepEqual([hello.success, hello.stdout, hello.stderr, hello.exitCode], [true, "hello\n", "", 0]);
assert.equal(typeof hello.execution_time, "number");

const node = await sandbox.runCode("console.log(require('os').EOL.length)", { language: "javascript" });
assert.equal(node.stdout.trim(), "1");

const env = await sandbox.runCode("import os; print(os.environ['KEY'])", { env: { KEY: "secret" } });
assert.equal(env.stdout, "secret\n");

const place = await sandbox.runCode("import os; print(os.getcwd())", { workingDir: "/tmp" });
assert.equal(place.stdout, "/tmp\n");

const failed = await sandbox.runCode("raise ValueError('no')");
assert.deepEqual([failed.success, failed.exitCode], [false, 1]);
assert.match(failed.stderr, /ValueError: no/);

const late = await sandbox.runCode("import time; print('begun'); time.sleep(60)", { timeout: 1 });
assert.deepEqual([late.success, late.exitCode, late.stdout], [false, 124, "begun\n"]);

const parallel = await Promise.all([1, 2, 3].map((n) => sandbox.runCode(`print(${n})`)));
assert.deepEqual(
  parallel.map((result) => result.stdout),
  ["1\n", "2\n", "3\n"],
);

await assert.rejects(sandbox.runCode("puts 1", { language: "ruby" }), (error) => {
  assert.ok(error instanceof APIError);
  assert.equal(error.message, "Invalid language: ruby");
  assert.equal(error.code, "INVALID_REQUEST");
  assert.ok(error.requestId);
  return true;
});

const command = await sandbox.commands.run("echo $A | tr a-z A-Z; pwd", {
  env: { A: "x" },
  workingDir: "/tmp",
});
assert.deepEqual([command.stdout, command.exit_code, command.success], ["X\n/tmp\n", 0, true]);

const foreground = await sandbox.commands.run("echo now", { background: false });
assert.equal(foreground.stdout, "now\n");

const exit = await sandbox.commands.run("echo out; echo err >&2; exit 3");
assert.deepEqual([exit.stdout, exit.stderr, exit.exit_code], ["out\n", "err\n", 3]);

const slow = await sandbox.commands.run("sleep 60", { timeout: 1 });
assert.equal(slow.exit_code, 124);

assert.equal(await sandbox.isHealthy(), true);
assert.equal((await sandbox.getAgentInfo()).vm_id, id);
assert.equal((await sandbox.getInfo()).status, "running");
const listed = await Sandbox.list({ apiKey: key, baseURL: url });
assert.deepEqual(
  listed.map((one) => one.sandboxId),
  [id],
);

await assert.rejects(Sandbox.connect("nobody", key, url), SandboxExpiredError);
await assert.rejects(
  Sandbox.create({ template: "code-interpreter", apiKey: key, baseURL: url }),
  /is the one sandbox/,
);

console.log("ok");
