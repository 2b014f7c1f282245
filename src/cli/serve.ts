import { Command } from "commander";
import type { Config } from "../config/read.ts";
import { Daemon, TOKEN_TTL_SECONDS } from "../daemon.ts";
import { createLog } from "../log.ts";
import { VERSION } from "../version.ts";
import { print } from "./output.ts";
import { addSettings, configOf } from "./settings-flags.ts";

/** `sanderling serve`: runs the daemon until it is told to stop. */
export function serveCommand(): Command {
  const command = new Command("serve")
    .description("start the daemon")
    .option("--json", "print one JSON line when ready, instead of text for a person");
  addSettings(command);
  command.addHelpText(
    "after",
    "\nA flag wins over its environment variable, that over the configuration file. Exit codes: 0 stopped, 1 failed, 2 bad settings.",
  );
  return command.action(async (options: { json?: boolean }) => {
    const config = configOf(command);
    const log = await createLog({ level: config.settings.logLevel, format: config.settings.logFormat });
    const stop = stopRequested();
    const daemon = await Daemon.start(config, log);
    print(options.json === true ? readyLine(daemon) : await welcome(daemon, config));
    log.info(
      {
        version: VERSION,
        hopx: daemon.hopx.url,
        execd: daemon.execd.url,
        containment: daemon.engine.containment.detail,
      },
      "ready",
    );
    await stop.requested;
    log.info({ active: daemon.engine.runs.active }, "stopping: no new work; a second signal stops at once");
    await daemon.stop(stop.hurry);
    log.info({}, "stopped");
  });
}

/** The first SIGTERM or SIGINT asks for an orderly stop, the second for one at once. */
function stopRequested(): { requested: Promise<void>; hurry: AbortSignal } {
  const { promise: requested, resolve }: PromiseWithResolvers<void> = Promise.withResolvers();
  const second = new AbortController();
  let signals = 0;
  const onSignal = () => {
    signals++;
    if (signals === 1) resolve();
    else second.abort();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  return { requested, hurry: second.signal };
}

/** For programs; no secrets, because whoever starts daemons often keeps what they print. */
function readyLine({ hopx, execd, engine, credentials }: Daemon): string {
  return JSON.stringify({
    event: "ready",
    version: VERSION,
    pid: process.pid,
    hopx: { url: hopx.url, port: hopx.port },
    execd: { url: execd.url, port: execd.port },
    sandbox_id: credentials.sandboxId,
    workspace: engine.workspace.path,
    containment: engine.containment.kind,
  });
}

async function welcome(daemon: Daemon, { settings }: Config): Promise<string> {
  const { hopx, execd, credentials, engine, tokens } = daemon;
  const lines = [
    `Sanderling ${VERSION} is ready.`,
    "",
    `  VM Agent API   ${hopx.url}   (reference: ${hopx.url}/docs)`,
    `  Execution API  ${execd.url}   (reference: ${execd.url}/docs)`,
    `  Console        ${hopx.url}/console`,
    `  Sandbox id     ${credentials.sandboxId}`,
    `  Workspace      ${engine.workspace.path}`,
  ];
  // A token of a secret that somebody chose is not printed: they can make their own, and know who reads this.
  if (!credentials.isGenerated)
    return [...lines, "  Token          print one with: sanderling token", ""].join("\n");
  const { token } = await tokens.mint(TOKEN_TTL_SECONDS);
  return [
    ...lines,
    ...(settings.apiKey === undefined
      ? [`  API key        ${credentials.apiKey}   (for Sandbox.connect)`]
      : []),
    ...(settings.accessToken === undefined
      ? [`  Access token   ${credentials.accessToken}   (for the Execution API)`]
      : []),
    `  Token          ${token}`,
    "",
    "Try it:",
    "",
    `  curl -s ${hopx.url}/execute -H "Authorization: Bearer ${token}" -H "Content-Type: application/json" -d '{"code": "print(6 * 7)"}'`,
    "",
  ].join("\n");
}
