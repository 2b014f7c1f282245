// Everything the JavaScript library offers for variables and the cache. Run by env.test.ts; fails by throwing.
import assert from "node:assert/strict";
import { APIError, Sandbox } from "@hopx-ai/sdk";

const [url, id, key] = process.argv.slice(2);
const sandbox = await Sandbox.connect(id, key, url);
const seen = async (name) => (await sandbox.commands.run(`printf %s "$${name}"`)).stdout;

const fresh = await sandbox.env.getAll();
assert.ok(fresh.PATH && fresh.HOME);
assert.equal(await sandbox.env.get("NOT_THERE"), undefined);

await sandbox.env.set("API_KEY", "sk-1");
assert.equal(await sandbox.env.get("API_KEY"), "sk-1");
assert.equal(await seen("API_KEY"), "sk-1");

const updated = await sandbox.env.update({ DEBUG: "true", REGION: "eu" });
assert.deepEqual(updated, { ...fresh, API_KEY: "sk-1", DEBUG: "true", REGION: "eu" });

await sandbox.env.delete("DEBUG");
assert.equal(await sandbox.env.get("DEBUG"), undefined);
assert.deepEqual([await seen("DEBUG"), await seen("API_KEY"), await seen("REGION")], ["", "sk-1", "eu"]);
await sandbox.env.delete("NEVER_SET");

// A variable that the machine gave is deleted in the same way.
assert.equal(fresh.OPERATOR_PROXY, "http://proxy.example");
await sandbox.env.delete("OPERATOR_PROXY");
assert.equal(await sandbox.env.get("OPERATOR_PROXY"), undefined);
assert.equal(await seen("OPERATOR_PROXY"), "");

const all = await sandbox.env.setAll({ ONE: "1", TWO: "zwei ü '\"$" });
assert.deepEqual(all, { ...fresh, ONE: "1", TWO: "zwei ü '\"$" });
assert.equal(await seen("TWO"), "zwei ü '\"$");
assert.equal(await sandbox.env.get("API_KEY"), undefined);

const code = await sandbox.runCode("console.log(process.env.ONE)", { language: "javascript" });
assert.equal(code.stdout, "1\n");
const hidden = await sandbox.runCode("import os; print(os.environ['ONE'])", { env: { ONE: "request" } });
assert.equal(hidden.stdout, "request\n");

await assert.rejects(sandbox.env.set("A=B", "secret"), (error) => {
  assert.ok(error instanceof APIError);
  assert.equal(error.code, "INVALID_REQUEST");
  assert.doesNotMatch(error.message, /secret/);
  return true;
});

await sandbox.env.setAll({});
assert.deepEqual(await sandbox.env.getAll(), fresh);

const cleared = await sandbox.cache.clear();
assert.equal(cleared.message, "Cache cleared successfully");
assert.equal(typeof cleared.entries_removed, "number");
const { cache, timestamp } = await sandbox.cache.stats();
assert.deepEqual(
  [cache.size, cache.max_size, cache.total_hits].map((value) => typeof value),
  ["number", "number", "number"],
);
assert.equal(typeof cache.ttl, "string");
assert.ok(Date.parse(timestamp) > 0);

console.log("ok");
