// Everything of the JavaScript library that streams, but for the terminal. Run by stream-clients.test.ts; fails by throwing.
import assert from "node:assert/strict";
import { Sandbox } from "@hopx-ai/sdk";

const [url, id, key] = process.argv.slice(2);
const sandbox = await Sandbox.connect(id, key, url);

async function streamed(code, options) {
  const messages = [];
  for await (const message of sandbox.runCodeStream(code, options)) messages.push(message);
  const text = (type) =>
    messages
      .filter((one) => one.type === type)
      .map(({ data }) => data)
      .join("");
  const last = (type) => messages.findLast((one) => one.type === type);
  return {
    messages,
    stdout: text("stdout"),
    stderr: text("stderr"),
    result: last("result"),
    complete: last("complete"),
  };
}

// The published cookbook's program, with shorter pauses.
const steps = await streamed(
  'import time\nfor i in range(3):\n    print(f"Step {i+1}")\n    time.sleep(0.1)',
);
assert.equal(steps.stdout, "Step 1\nStep 2\nStep 3\n");
assert.ok(steps.messages.filter(({ type }) => type === "stdout").length >= 3, "told as it goes");
assert.deepEqual([steps.result.exit_code, steps.complete.success], [0, true]);
assert.ok(steps.messages.every(({ timestamp }) => !Number.isNaN(Date.parse(timestamp))));

const env = await streamed("echo $KEY; pwd; echo err >&2; exit 3", {
  language: "bash",
  env: { KEY: "value" },
  workingDir: "/tmp",
});
assert.deepEqual(
  [env.stdout, env.stderr, env.result.exit_code, env.complete.success],
  ["value\n/tmp\n", "err\n", 3, false],
);

const late = await streamed("sleep 60", { language: "bash", timeout: 1 });
assert.deepEqual([late.result.exit_code, late.messages.some(({ type }) => type === "error")], [124, true]);

const refused = await streamed("puts 1", { language: "ruby" });
assert.equal(refused.complete.success, false);
assert.match(refused.messages[0].error, /Invalid language: ruby/);

// Bursts on both streams, which this library would lose when they arrived together (contract, 12.2).
const burst = "echo 1; echo 2 >&2; echo 3; echo 4 >&2; echo 5";
async function bursts(count) {
  for (let i = 0; i < count; i++) {
    const { stdout, stderr, complete } = await streamed(burst, { language: "bash" });
    assert.deepEqual([stdout, stderr, complete.success], ["1\n3\n5\n", "2\n4\n", true]);
  }
}
await Promise.all(Array.from({ length: 4 }, () => bursts(25)));

const directory = process.env.WORKSPACE;
const seen = [];
const watching = (async () => {
  for await (const event of sandbox.watchFiles(directory)) {
    seen.push(event);
    if (event.type === "change" && event.event === "deleted") return;
  }
})();
while (!seen.some(({ type }) => type === "status")) await new Promise((resume) => setTimeout(resume, 5));
await sandbox.files.write(`${directory}/streamed.txt`, "text");
await sandbox.files.remove(`${directory}/streamed.txt`);
await watching;
const changes = seen.filter(({ type }) => type === "change").map(({ event, path }) => `${event} ${path}`);
assert.deepEqual(
  [changes[0], changes.at(-1)],
  [`created ${directory}/streamed.txt`, `deleted ${directory}/streamed.txt`],
);
assert.ok(changes.includes(`modified ${directory}/streamed.txt`));

console.log("ok");
process.exit(0);
