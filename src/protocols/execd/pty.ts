import { z } from "zod";
import type { Engine } from "../../engine/engine.ts";
import { makeDirectory } from "../../engine/files/directories.ts";
import { shellCommand } from "../../engine/terminal/shell.ts";
import type { TerminalSession } from "../../engine/terminal/session.ts";
import { Upgrade } from "../../http/websocket.ts";
import { route } from "./context.ts";
import { emptyReply } from "./empty.ts";
import { ExecdRefusal } from "./errors.ts";
import { errorBody } from "./files-schema.ts";
import { expandPath } from "./expand.ts";
import { PtyConnection } from "./pty-connection.ts";
import { ptyCreated, ptyQuery, ptyRequest, ptyStatus, type PtyQuery } from "./pty-schema.ts";

const params = z.object({ sessionId: z.string() });
const unauthorized = { 401: { description: "Access token missing or wrong", schema: errorBody } } as const;
const notFound = { 404: { description: "No such session", schema: errorBody }, ...unauthorized } as const;

/** Terminals (contracts/opensandbox-execd.md, 8). */
export const ptyRoutes = [
  route({
    method: "POST",
    path: "/pty",
    credential: "token",
    summary: "Make a terminal session; its shell starts with the first connection",
    body: ptyRequest,
    responses: {
      201: { description: "Made", schema: ptyCreated },
      400: { description: "Not something that can be used so", schema: errorBody },
      429: { description: "Too many sessions", schema: errorBody },
      ...unauthorized,
    },
    handle: async ({ body }, _, { engine }) => ({
      status: 201,
      body: { session_id: (await makeSession(body, engine)).id },
    }),
  }),

  route({
    method: "GET",
    path: "/pty/{sessionId}",
    credential: "token",
    summary: "How a terminal session is",
    params,
    responses: { 200: { description: "The session", schema: ptyStatus }, ...notFound },
    handle: ({ params }, _, { engine }) => {
      const { id, isRunning, outputOffset } = sessionOf(params, engine);
      return { status: 200, body: { session_id: id, running: isRunning, output_offset: outputOffset } };
    },
  }),

  route({
    method: "DELETE",
    path: "/pty/{sessionId}",
    credential: "token",
    summary: "End a terminal session and all that runs in it",
    params,
    responses: { 200: { description: "Ended; no body" }, ...notFound },
    handle: async ({ params }, _, { engine }) => {
      await engine.terminals.close(sessionOf(params, engine));
      return emptyReply();
    },
  }),

  route({
    method: "GET",
    path: "/pty/{sessionId}/ws",
    credential: "token",
    summary: "Attach to a terminal session (WebSocket)",
    params,
    query: ptyQuery,
    responses: {
      101: { description: "The connection; docs/terminals.md has its frames" },
      409: { description: "Another client holds it, or there is nothing to view", schema: errorBody },
      426: { description: "Not the handshake of a WebSocket", schema: errorBody },
      ...notFound,
    },
    handle: ({ params, query }, _, { engine }) => {
      const session = sessionOf(params, engine);
      requireAttachable(session, query);
      return new Upgrade((socket) => new PtyConnection(socket, session, query).serve());
    },
  }),
];

/** Makes what the request describes; its shell starts with the first connection. */
export async function makeSession(
  body: z.output<typeof ptyRequest>,
  engine: Engine,
): Promise<TerminalSession> {
  const command = body?.command ?? undefined;
  return engine.terminals.create({
    argv: shellCommand((name) => engine.findProgram(name), {
      command: command === "" ? undefined : command,
      start: "plain",
    }),
    cwd: await openDirectory(body?.cwd ?? "", engine),
  });
}

/** @throws ExecdRefusal 404. Names are the other API's: this one knows ids. */
function sessionOf({ sessionId }: z.output<typeof params>, { terminals }: Engine): TerminalSession {
  const session = terminals.find(sessionId);
  if (session) return session;
  throw new ExecdRefusal(404, "CONTEXT_NOT_FOUND", `pty session ${sessionId} not found`);
}

/** Before the upgrade, while a client can still read an answer. @throws ExecdRefusal 409. */
function requireAttachable(session: TerminalSession, { mode, takeover }: PtyQuery): void {
  if (mode === "viewer" && !session.isRunning)
    throw new ExecdRefusal(
      409,
      "VIEWER_NOT_RUNNING",
      `nothing runs in pty session ${session.id} that could be viewed`,
    );
  if (mode === "holder" && session.isHeld && !takeover)
    throw new ExecdRefusal(
      409,
      "ALREADY_CONNECTED",
      `another client is already connected to pty session ${session.id}`,
    );
}

/** @returns The directory to start in; undefined: the workspace. */
async function openDirectory(cwd: string, engine: Engine): Promise<string | undefined> {
  if (cwd === "") return undefined;
  const path = expandPath(cwd, engine.variables.environment);
  await using directory = await makeDirectory(engine.paths, path);
  return directory.path;
}
