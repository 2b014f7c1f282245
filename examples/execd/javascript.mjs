// The OpenSandbox JavaScript library against a running daemon: commands, a session, files, and code.
// Usage: node examples/execd/javascript.mjs HOST:PORT SANDBOX_ID   (with OPEN_SANDBOX_API_KEY in the environment)
import { ConnectionConfig, Sandbox } from "@alibaba-group/opensandbox";

const [domain, sandboxId] = process.argv.slice(2);
const apiKey = process.env.OPEN_SANDBOX_API_KEY;
const connectionConfig = new ConnectionConfig({ domain, protocol: "http", apiKey });
const sandbox = await Sandbox.connect({ sandboxId, connectionConfig });
const lines = ({ logs }) => logs.stdout.map(({ text }) => text).join(" ");

const greeting = await sandbox.commands.run("echo $GREETING; pwd", {
  envs: { GREETING: "hello" },
  workingDirectory: "/tmp",
});
console.log("command:", lines(greeting));

const failed = await sandbox.commands.run("exit 5");
console.log("failed:", failed.exitCode);

// Output as it comes.
await sandbox.commands.run("for i in 1 2 3; do echo $i; sleep 0.1; done", undefined, {
  onStdout: ({ text }) => console.log("live:", text),
});

const background = await sandbox.commands.run("echo started; exec sleep 1000", { background: true });
let logs;
do logs = await sandbox.commands.getBackgroundCommandLogs(background.id);
while (logs.content === "");
await sandbox.commands.interrupt(background.id);
const { running, exitCode } = await sandbox.commands.getCommandStatus(background.id);
console.log("background:", logs.content.trim(), running, exitCode);

const session = await sandbox.commands.createSession({ workingDirectory: "/tmp" });
await sandbox.commands.runInSession(session, "count=6; times() { echo $((count * $1)); }");
console.log("session:", lines(await sandbox.commands.runInSession(session, "times 7")));
await sandbox.commands.deleteSession(session);

await sandbox.files.writeFiles([{ path: "notes/a.txt", data: "one\ntwo\n", mode: 640 }]);
await sandbox.files.replaceContents([{ path: "notes/a.txt", oldContent: "two", newContent: "three" }]);
const [found] = await sandbox.files.search({ path: "notes", pattern: "*.txt" });
const content = await sandbox.files.readFile("notes/a.txt");
console.log("file:", JSON.stringify(content), found.mode, found.size);
await sandbox.files.deleteDirectories(["notes"]);

// Code has no part in this library; its route is an event stream, read here with nothing but fetch.
const { endpoint, headers } = await sandbox.getEndpoint(44772);
const response = await fetch(`http://${endpoint.replace(/^https?:\/\//, "")}/code`, {
  method: "POST",
  headers,
  body: JSON.stringify({ code: "6 * 7", context: { language: "python" } }),
});
for (const frame of (await response.text()).split("\n\n")) {
  const event = JSON.parse(/^data: (.*)$/m.exec(frame)?.[1] ?? "{}");
  if (event.type === "result") console.log("code:", event.results.text);
}
await sandbox.close();
