// Everything that the JavaScript library offers for processes. Run by background.test.ts; fails by throwing.
import assert from "node:assert/strict";
import { FileNotFoundError, Sandbox } from "@hopx-ai/sdk";

const [url, id, key] = process.argv.slice(2);
const sandbox = await Sandbox.connect(id, key, url);

/** Looks again until a fact holds. */
async function until(fact) {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline;) {
    const value = await fact();
    if (value) return value;
    await new Promise((resume) => setTimeout(resume, 20));
  }
  throw new Error(`never true: ${fact}`);
}

async function listed(processId) {
  return (await sandbox.listProcesses()).find((one) => one.process_id === processId);
}

// Started in the background, with all options.
const started = await sandbox.runCodeBackground(
  "import os, time; print(os.environ['WORD'], os.getcwd(), flush=True); time.sleep(600)",
  { language: "python", name: "Sleeper", env: { WORD: "hello" }, timeout: 100, workingDir: "/tmp" },
);
assert.match(started.process_id, /^proc_/);
assert.match(started.execution_id, /^exec_/);
assert.equal(started.status, "running");

const running = await until(async () => {
  const one = await listed(started.process_id);
  return one.stdout.endsWith("\n") ? one : undefined;
});
assert.equal(running.stdout, "hello /tmp\n");
assert.deepEqual(
  [running.name, running.language, running.status, running.exit_code, running.end_time],
  ["Sleeper", "python", "running", null, null],
);
assert.equal(running.execution_id, started.execution_id);
assert.equal(typeof running.pid, "number");
assert.ok(running.duration > 0);
assert.ok(Date.parse(running.started_at) > 0);

// Among the processes of the machine, by its pid and by its process id.
const system = await sandbox.listSystemProcesses();
const seen = system.find((one) => one.pid === running.pid);
assert.equal(seen.process_id, started.process_id);
assert.equal(typeof seen.cpu_percent, "number");
assert.equal(typeof seen.memory_percent, "number");
assert.ok(system.every((one) => one.name.toLowerCase() && one.status));

// Killed; killing it again is no error.
assert.equal(await sandbox.killProcess(started.process_id), undefined);
assert.equal((await listed(started.process_id)).status, "killed");
await sandbox.killProcess(started.process_id);

// By execution id and by pid, as a text and as a number.
for (const name of ["execution_id", "pid", "pid"]) {
  const { process_id } = await sandbox.runCodeBackground("import time; time.sleep(600)");
  const one = await listed(process_id);
  await sandbox.killProcess(name === "pid" ? one.pid : String(one[name]));
  assert.equal((await listed(process_id)).status, "killed");
}

await assert.rejects(sandbox.killProcess("proc_nobody"), (error) => {
  // Its own class for every 404 that says "not found".
  assert.ok(error instanceof FileNotFoundError);
  assert.equal(error.message, "Process not found");
  return true;
});

// Code that ends by itself.
const quick = await sandbox.runCodeBackground("console.log(6 * 7); process.exit(3)", {
  language: "javascript",
});
const done = await until(async () => {
  const one = await listed(quick.process_id);
  return one.status === "running" ? undefined : one;
});
assert.deepEqual([done.status, done.exit_code, done.stdout], ["failed", 3, "42\n"]);
assert.ok(Date.parse(done.end_time) >= Date.parse(done.start_time));

// Commands, in both spellings that the library has.
const command = await sandbox.commands.runBackground("echo $A; pwd; exec sleep 600", {
  env: { A: "b" },
  workingDir: "/tmp",
  timeout: 50,
});
assert.equal(typeof command.process_id, "string");
await until(async () => (await listed(command.process_id)).stdout === "b\n/tmp\n");
await sandbox.killProcess(command.process_id);
const other = await sandbox.commands.run("sleep 600", { background: true });
assert.match(other.process_id, /^proc_/);
await sandbox.killProcess(other.execution_id);

// As the command line tool kills: by a shell in the sandbox.
const third = await sandbox.commands.runBackground("sleep 600");
const { pid } = await listed(third.process_id);
await sandbox.commands.run(`kill ${pid}`);
await until(async () => (await listed(third.process_id)).status === "killed");

// All ten lines of a loop come, while somebody watches.
const file = (await sandbox.commands.run("mktemp")).stdout.trim();
const loop = await sandbox.commands.runBackground(
  `for i in {1..10}; do echo line $i >> ${file}; sleep 0.02; done`,
);
await until(async () => (await listed(loop.process_id)).status === "completed");
const lines = await sandbox.commands.run(`wc -l < ${file}; rm ${file}`);
assert.equal(lines.stdout.trim(), "10");

console.log("ok");
