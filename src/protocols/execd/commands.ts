import type { z } from "zod";
import type { Argv } from "../../engine/code/languages.ts";
import type { Engine } from "../../engine/engine.ts";
import type { Environment } from "../../engine/environment.ts";
import type { Execution } from "../../engine/executions/execution.ts";
import { commandRequest } from "./command-schema.ts";
import { route, type ExecdContext } from "./context.ts";
import { runDirectory } from "./directory.ts";
import { errorBody } from "./files-schema.ts";
import { answerStarted } from "./started.ts";

export type CommandBody = z.output<typeof commandRequest>;

const PATH = "/command";

/** contracts/opensandbox-execd.md, 5. */
export const commandRoutes = [
  route({
    method: "POST",
    path: PATH,
    credential: "token",
    summary: "Run a command and tell what it does as it happens (event stream)",
    body: commandRequest,
    responses: {
      200: { description: "Events: init, stdout, stderr, and execution_complete or error" },
      204: { description: "Last-Event-ID was the last event" },
      400: { description: "Not something that can be run so", schema: errorBody },
      401: { description: "Access token missing or wrong", schema: errorBody },
      403: { description: "This daemon may not run as that user", schema: errorBody },
      404: { description: "Last-Event-ID of a run that is no longer known", schema: errorBody },
      429: { description: "Too many runs under way", schema: errorBody },
    },
    handle: ({ body }, request, context) =>
      answerStarted({ path: PATH, request, body }, context, () => startCommand(body, context)),
  }),
];

/** Starts what the request describes; from now on it can be asked about by its id. */
export async function startCommand(body: CommandBody, context: ExecdContext): Promise<Execution> {
  const { engine } = context;
  const env = { ...codeRuntimePort(context), ...body.envs };
  const run = await engine.startCommand({
    argv: argvOf(body, engine),
    cwd: runDirectory(body.cwd, { ...engine.environment, ...env }, engine),
    env,
    identity: body.uid == null ? undefined : { uid: body.uid, gid: body.gid ?? undefined },
    timeoutMs: body.timeout == null || body.timeout === 0 ? undefined : body.timeout,
    kind: body.background === true ? "background" : "command",
  });
  const isBackground = body.background === true;
  return engine.executions.add(run, {
    kind: isBackground ? "background" : "command",
    content: body.command ?? JSON.stringify(body.argv),
    surviveMs: isBackground ? undefined : context.executionSurviveMs,
  });
}

/**
 * Where code is executed. The code-interpreter library asks, by a command, whether that port of the sandbox
 * answers, before it lets anybody use it.
 */
function codeRuntimePort({ engine, execdPort }: ExecdContext): Environment {
  return "JUPYTER_PORT" in engine.environment ? {} : { JUPYTER_PORT: String(execdPort()) };
}

function argvOf({ command, argv }: CommandBody, engine: Engine): Argv {
  const [program = "", ...rest] = argv ?? [engine.findProgram("bash") ?? "/bin/sh", "-c", command ?? ""];
  return [program, ...rest];
}
