// What the JavaScript client library offers on commands, sessions and the sandbox; prints facts as JSON.
import { ConnectionConfig, Sandbox, SandboxManager } from "@alibaba-group/opensandbox";

const { DOMAIN, API_KEY, SANDBOX_ID } = process.env;
const connectionConfig = new ConnectionConfig({ domain: DOMAIN, protocol: "http", apiKey: API_KEY });
const facts = {};
const refused = (promise) =>
  promise.then(
    () => "accepted",
    (error) => error.message || error.error?.message || String(error),
  );

const sandbox = await Sandbox.connect({ sandboxId: SANDBOX_ID, connectionConfig });
facts.id = sandbox.id;
facts.healthy = await sandbox.isHealthy();
const info = await sandbox.getInfo();
facts.state = info.status.state;
facts.created = info.createdAt instanceof Date;
facts.endpoint = await sandbox.getEndpointUrl?.(44772);

const seen = [];
const handlers = {
  onInit: () => seen.push("init"),
  onStdout: ({ text }) => seen.push(`out ${text}`),
  onStderr: ({ text }) => seen.push(`err ${text}`),
  onExecutionComplete: () => seen.push("complete"),
  onError: () => seen.push("error"),
};
const hello = await sandbox.commands.run("echo 'Hello OpenSandbox'", undefined, handlers);
facts.hello = {
  stdout: hello.logs.stdout.map(({ text }) => text),
  exitCode: hello.exitCode,
  id: hello.id,
  seen,
};
const failed = await sandbox.commands.run("echo odd >&2; exit 5");
facts.failed = {
  error: failed.error,
  stderr: failed.logs.stderr.map(({ text }) => text),
  exitCode: failed.exitCode,
  complete: failed.complete ?? null,
};
const options = { workingDirectory: "/tmp", envs: { GIVEN: "value" }, timeoutSeconds: 20 };
const placed = await sandbox.commands.run('pwd; echo "$GIVEN"', options);
facts.placed = placed.logs.stdout.map(({ text }) => text);
const late = await sandbox.commands.run("sleep 100", { timeoutSeconds: 0.2 });
facts.late = late.error;

const background = await sandbox.commands.run("echo in the back; exit 3", { background: true });
facts.background = { exitCode: background.exitCode ?? null };
let status;
do status = await sandbox.commands.getCommandStatus(background.id);
while (status.running);
facts.status = {
  exitCode: status.exitCode,
  sameId: status.id === background.id,
  finished: status.finishedAt instanceof Date,
};
facts.logs = await sandbox.commands.getBackgroundCommandLogs(background.id, 0);

const sleeping = await sandbox.commands.run("sleep 1000", { background: true });
await sandbox.commands.interrupt(sleeping.id);
facts.interrupted = (await sandbox.commands.getCommandStatus(sleeping.id)).exitCode;
facts.noInterrupt = await refused(sandbox.commands.interrupt("fake"));

const session = await sandbox.commands.createSession({ workingDirectory: "/tmp" });
const inSession = async (command, more) =>
  (await sandbox.commands.runInSession(session, command, more)).logs.stdout.map(({ text }) => text);
facts.session = [
  await inSession("pwd; plain=kept"),
  await inSession('pwd; echo "$plain"', { workingDirectory: "/var" }),
  await inSession("pwd"),
];
const seven = await sandbox.commands.runInSession(session, "sh -c 'echo odd >&2; exit 7'");
facts.seven = { error: seven.error, exitCode: seven.exitCode, complete: seven.complete ?? null };
await sandbox.commands.deleteSession(session);
facts.gone = await refused(sandbox.commands.runInSession(session, "true"));
facts.bare = typeof (await sandbox.commands.createSession());

const manager = SandboxManager.create({ connectionConfig });
const page = await manager.listSandboxInfos({ states: ["Running"] });
facts.list = page.items.map(({ id }) => id);
facts.none = (await manager.listSandboxInfos({ states: ["Paused"] })).items.length;
facts.kill = await refused(sandbox.kill());
facts.renew = await refused(sandbox.renew(600));
facts.unknown = await refused(manager.getSandboxInfo("nothing"));
await sandbox.close?.();
process.stdout.write(JSON.stringify(facts));
process.exit(0);
