import { z } from "zod";
import type { Engine } from "../../engine/engine.ts";
import type { Execution } from "../../engine/executions/execution.ts";
import { makeDirectory } from "../../engine/files/directories.ts";
import { sessionCreated, sessionRequest, sessionRun } from "./command-schema.ts";
import { route, type ExecdContext } from "./context.ts";
import { runDirectory } from "./directory.ts";
import { emptyReply } from "./empty.ts";
import { ExecdRefusal } from "./errors.ts";
import { expandPath } from "./expand.ts";
import { errorBody } from "./files-schema.ts";
import { answerStarted } from "./started.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const RUN_PATH = "/session/{sessionId}/run";
const params = z.object({ sessionId: z.string() });
const refusals = {
  400: { description: "Not something that can be used so", schema: errorBody },
  401: { description: "Access token missing or wrong", schema: errorBody },
  404: { description: "No such session", schema: errorBody },
  429: { description: "Too many sessions, or commands that wait", schema: errorBody },
} as const;

/** Shells that last (contracts/opensandbox-execd.md, 6). */
export const sessionRoutes = [
  route({
    method: "POST",
    path: "/session",
    credential: "token",
    summary: "Start a shell that lasts",
    body: sessionRequest,
    responses: { 200: { description: "Started", schema: sessionCreated }, ...refusals },
    handle: async ({ body }, _, { engine }) => {
      const session = await engine.shells.create({ cwd: await openDirectory(body?.cwd, engine) });
      return { status: 200, body: { session_id: session.id } };
    },
  }),

  route({
    method: "POST",
    path: RUN_PATH,
    credential: "token",
    summary: "Run a command in a session when its turn comes (event stream)",
    params,
    body: sessionRun,
    responses: {
      200: { description: "Events: init, stdout, stderr, and execution_complete or error" },
      204: { description: "Last-Event-ID was the last event" },
      ...refusals,
    },
    handle: ({ params, body }, request, context) =>
      answerStarted({ path: RUN_PATH, request, params, body }, context, () =>
        start(params.sessionId, body, context),
      ),
  }),

  route({
    method: "DELETE",
    path: "/session/{sessionId}",
    credential: "token",
    summary: "End a session and everything in it",
    params,
    responses: { 200: { description: "Ended; no body" }, ...refusals },
    handle: async ({ params: { sessionId } }, _, { engine }) => {
      if (await engine.shells.close(sessionId)) return emptyReply();
      throw new ExecdRefusal(404, "CONTEXT_NOT_FOUND", `session ${sessionId} not found`);
    },
  }),
];

function start(
  id: string,
  { command, cwd: given, timeout }: z.output<typeof sessionRun>,
  { engine, sessionSurviveMs }: ExecdContext,
): Execution {
  const cwd = given == null || given === "" ? undefined : runDirectory(given, engine.environment, engine);
  const session = engine.shells.get(id);
  if (!session)
    throw new ExecdRefusal(404, "CONTEXT_NOT_FOUND", "error running in session. context not found");
  const run = session.run({ text: command, cwd, timeoutMs: timeout || DAY_MS });
  const facts = { kind: "session", content: command, owner: session.id } as const;
  return engine.executions.add(run, { ...facts, surviveMs: sessionSurviveMs });
}

/** A session's own directory is made where it is missing. */
export async function openDirectory(cwd: string | null | undefined, engine: Engine): Promise<string> {
  if (cwd === undefined || cwd === null || cwd === "") return engine.workspace.path;
  await using directory = await makeDirectory(engine.paths, expandPath(cwd, engine.environment));
  return directory.path;
}
