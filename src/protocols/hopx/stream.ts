import { languageNamed, type CodeRequest } from "../../engine/engine.ts";
import { EngineError } from "../../engine/error.ts";
import { Upgrade } from "../../http/websocket.ts";
import { route } from "./context.ts";
import { startRich } from "./rich-start.ts";
import { toRunRequest } from "./run-request.ts";
import { errorBody } from "./schema.ts";
import {
  cellMessage,
  codeMessage,
  commandMessage,
  type CellStart,
  type CodeStart,
  type CommandStart,
} from "./stream-schema.ts";
import { StreamSession, type StartFields, type StreamKind } from "./stream-session.ts";

const DEFAULT_SECONDS = 60;
const COMMAND_DEFAULT_SECONDS = 30;

const code: StreamKind<CodeStart> = {
  kind: "code",
  messages: codeMessage,
  start: (message, { engine }) =>
    engine.startCode({ ...toRun(message), language: languageNamed(message.language) }),
};

/** The same in a kernel of its own, which tells displays and results too; a language without one runs as above. */
const rich: StreamKind<CodeStart> = {
  ...code,
  start: async (message, context, tell) => {
    const run = await startRich({ ...toRun(message), language: message.language }, context.engine.contexts);
    if (!("reason" in run)) return run;
    await tell(`Without rich output: ${run.reason}`);
    return code.start(message, context, tell);
  },
};

function toRun(message: CodeStart): Omit<CodeRequest, "language"> {
  return {
    ...toRunRequest(message, message.timeout ?? DEFAULT_SECONDS),
    code: message.code,
    keepStdinOpen: message.stdin_open ?? false,
  };
}

const command: StreamKind<CommandStart> = {
  kind: "command",
  messages: commandMessage,
  start: (message, { engine }) =>
    engine.startCommand({
      ...toRunRequest(message, message.timeout ?? COMMAND_DEFAULT_SECONDS),
      argv: message.args ? [message.command, ...message.args] : ["/bin/sh", "-c", message.command],
      keepStdinOpen: message.stdin_open ?? false,
    }),
};

const cell: StreamKind<CellStart> = {
  kind: "code",
  messages: cellMessage,
  start: async (message, { engine }) => {
    const { context_id: id, language, timeout } = message;
    const context = id ? engine.contexts.get(id) : await engine.contexts.default(language);
    if (context === undefined) throw new EngineError("not_found", `There is no context ${id}`);
    return context.execute({
      code: message.code,
      stdin: message.stdin ?? undefined,
      keepStdinOpen: message.stdin_open ?? false,
      timeoutMs: (timeout ?? DEFAULT_SECONDS) * 1000,
    });
  },
};

/** Runs that are told as they go (contracts/hopx-agent.md, 12.3 and 12.6). */
export const streamRoutes = [
  streamRoute("/execute/stream", "Run code and watch it", code),
  streamRoute("/stream", "Run code by itself and watch it, with rich output", rich),
  streamRoute("/commands/stream", "Run commands and watch them", command),
  streamRoute("/stream/ipython", "Run code in a context and watch it, with rich output", cell),
];

function streamRoute<Start extends StartFields>(path: string, summary: string, kind: StreamKind<Start>) {
  return route({
    method: "GET",
    path,
    credential: "ticket",
    summary: `${summary} (WebSocket)`,
    responses: {
      101: { description: "The connection; docs/streams.md has its messages" },
      401: { description: "Token or ticket missing, wrong or expired", schema: errorBody },
      426: { description: "Not the handshake of a WebSocket", schema: errorBody },
    },
    handle: (_, request, context) =>
      new Upgrade((connection) => new StreamSession(connection, kind, request, context).serve()),
  });
}
