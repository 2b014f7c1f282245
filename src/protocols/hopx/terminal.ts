import { EngineError } from "../../engine/error.ts";
import type { Engine } from "../../engine/engine.ts";
import type { Role } from "../../engine/terminal/attachment.ts";
import type { TerminalSession } from "../../engine/terminal/session.ts";
import { shellCommand } from "../../engine/terminal/shell.ts";
import { requireSessionName } from "../../engine/terminal/terminals.ts";
import type { RequestInfo } from "../../http/route.ts";
import { Upgrade, type WebSocketConnection } from "../../http/websocket.ts";
import { route, type HopxContext } from "./context.ts";
import { toLimits } from "./run-request.ts";
import { errorBody } from "./schema.ts";
import { TerminalConnection } from "./terminal-connection.ts";
import { terminalQuery, type SessionRequest, type TerminalQuery } from "./terminal-schema.ts";

/** A terminal over a WebSocket (contracts/hopx-agent.md, 12.4), alone or attached to a session. */
export const terminalRoutes = [
  route({
    method: "GET",
    path: "/terminal",
    credential: "ticket",
    summary: "A shell on a terminal, or a session that outlives connections (WebSocket)",
    query: terminalQuery,
    responses: {
      101: { description: "The connection; docs/terminals.md has its messages" },
      401: { description: "Token or ticket missing, wrong or expired", schema: errorBody },
      404: { description: "No such session", schema: errorBody },
      409: { description: "Another connection holds the session", schema: errorBody },
      426: { description: "Not the handshake of a WebSocket", schema: errorBody },
    },
    handle: ({ query }, request, context) => {
      const role = roleOf(query, request, context);
      const found = findSession(query, role, context.engine);
      // While a client can still read an answer.
      if (role === "holder" && found?.isHeld === true && !query.takeover) refuseHeld(found);
      return new Upgrade((connection) => serve(connection, found, { query, role, request, context }));
    },
  }),
];

/** Makes a session; whoever made it starts it. @throws EngineError as `Terminals.create`. */
export function createSession(
  request: Partial<SessionRequest> & Pick<SessionRequest, "cols" | "rows" | "login">,
  engine: Engine,
): TerminalSession {
  const { name, cwd, env, command, login, cols, rows, limits } = request;
  return engine.terminals.create({
    argv: shellCommand((program) => engine.findProgram(program), {
      command: command ?? undefined,
      start: login ? "login" : "interactive",
    }),
    name: name ?? undefined,
    cwd: cwd ?? undefined,
    env: env ?? undefined,
    size: { cols, rows },
    limits: toLimits(limits),
  });
}

interface Asked {
  readonly query: TerminalQuery;
  readonly role: Role;
  readonly request: RequestInfo;
  readonly context: HopxContext;
}

/** Nothing is made or taken before the handshake is done; what cannot be had is told on the connection. */
async function serve(
  connection: WebSocketConnection,
  found: TerminalSession | undefined,
  asked: Asked,
): Promise<void> {
  try {
    await serveSession(connection, found, asked);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    await connection.send(
      JSON.stringify({ type: "error", error: error.message, code: "TERMINAL_UNAVAILABLE" }),
    );
    connection.close(1011, error.message);
  }
}

async function serveSession(
  connection: WebSocketConnection,
  found: TerminalSession | undefined,
  { query, role, request, context: { engine } }: Asked,
): Promise<void> {
  const { session: name, since, takeover, restart, record } = query;
  const session = found ?? createSession({ ...query, name }, engine);
  request.note({ session: session.id });
  try {
    if (record && session.recording === undefined) session.startRecording();
    if (session.mode === undefined || (restart && role === "holder")) await session.start("terminal");
    using attachment = session.attach(role, { since, takeover });
    const how = { role, knowsSessions: name !== undefined };
    await new TerminalConnection(connection, session, how, request).serve(attachment);
  } finally {
    // Nobody could come back to it; a terminal whose window is closed is hung up.
    if (name === undefined || (found === undefined && session.mode === undefined))
      await engine.terminals.close(session);
  }
}

/** @throws EngineError `invalid` for what makes no sense on a session that ends with its connection. */
function roleOf(
  { mode, session, record }: TerminalQuery,
  request: RequestInfo,
  { tickets }: HopxContext,
): Role {
  const role = tickets.grantOf(request.raw)?.viewOnly === true ? "viewer" : mode;
  if (session !== undefined) return role;
  if (role === "viewer") throw new EngineError("invalid", "Cannot view a terminal: say which session");
  if (record)
    throw new EngineError(
      "invalid",
      "Cannot record a terminal that ends with its connection: name a session",
    );
  return role;
}

/**
 * @throws EngineError `not_found` for an id that is none, or for a viewer of what is not there; `invalid` for what
 * can be no name.
 */
function findSession(
  { session }: TerminalQuery,
  role: Role,
  { terminals }: Engine,
): TerminalSession | undefined {
  if (session === undefined) return undefined;
  const found = terminals.find(session);
  const isId = /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(session);
  if (found === undefined && (isId || role === "viewer")) throw missing(session);
  if (found === undefined) requireSessionName(session);
  return found;
}

export function missing(session: string): EngineError {
  return new EngineError("not_found", `There is no terminal session ${session}`);
}

function refuseHeld({ id }: TerminalSession): never {
  throw new EngineError(
    "conflict",
    `Terminal session ${id} is held by another connection: take it over or view it`,
  );
}
