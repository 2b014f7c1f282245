// What the JavaScript library offers for Python that keeps its variables. Run by rich.test.ts; fails by throwing.
import assert from "node:assert/strict";
import { Sandbox } from "@hopx-ai/sdk";

const [url, id, key] = process.argv.slice(2);
const sandbox = await Sandbox.connect(id, key, url);

await sandbox.runIpython("a = 10");
const sum = await sandbox.runIpython("a + 5");
assert.equal(sum.success, true);
assert.equal(sum.result, "15");

const failed = await sandbox.runIpython("nosuchname");
assert.equal(failed.success, false);
assert.match(failed.stderr, /NameError/);

const given = await sandbox.runIpython("import os; print(os.environ['ONCE'])", { env: { ONCE: "yes" } });
assert.equal(given.stdout.trim(), "yes");

const sessions = await sandbox.getJupyterSessions();
assert.ok(sessions.length > 0);
assert.ok(sessions.every((session) => session.kernel_id && session.last_activity));
