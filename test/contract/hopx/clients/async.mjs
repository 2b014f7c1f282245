// The JavaScript library's asynchronous runs. Run by async.test.ts, which receives the callback.
import assert from "node:assert/strict";
import { Sandbox } from "@hopx-ai/sdk";

const [url, id, key, callbackUrl] = process.argv.slice(2);
const sandbox = await Sandbox.connect(id, key, url);

const started = await sandbox.runCodeAsync("import os; print(os.environ['WHO'], os.getcwd())", {
  callbackUrl,
  callbackHeaders: { "X-Caller": "javascript" },
  callbackSignatureSecret: "a secret",
  env: { WHO: "js" },
  workingDir: "/tmp",
});
assert.match(started.execution_id, /^exec_\w+$/);
assert.deepEqual([started.status, started.callback_url], ["queued", callbackUrl]);
await assert.rejects(sandbox.runCodeAsync("1", { callbackUrl: "http://169.254.169.254/" }), /metadata/);
console.log(started.execution_id);
