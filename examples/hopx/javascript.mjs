// The HopX JavaScript library against a running daemon.
// Usage: node examples/hopx/javascript.mjs DAEMON_URL SANDBOX_ID   (with HOPX_API_KEY in the environment)
import { Sandbox } from "@hopx-ai/sdk";

const [url, id] = process.argv.slice(2);
const sandbox = await Sandbox.connect(id, process.env.HOPX_API_KEY, url);

const result = await sandbox.runCode("print(6 * 7)");
console.log("code:", result.stdout.trim());

const failed = await sandbox.runCode("raise ValueError('no')");
console.log("failed:", failed.success, failed.stderr.trim().split("\n").at(-1));

const listing = await sandbox.commands.run("echo $GREETING from $(pwd)", { env: { GREETING: "hello" } });
console.log("command:", listing.stdout.trim());
