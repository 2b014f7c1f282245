import { z } from "zod";
import type { Engine } from "../../engine/engine.ts";
import { makeDirectory } from "../../engine/files/directories.ts";
import { fingerprintOf, keyOf } from "../../http/idempotency-key.ts";
import { sessionCreated, sessionRequest, sessionRun } from "./command-schema.ts";
import { route } from "./context.ts";
import { runDirectory } from "./directory.ts";
import { emptyReply } from "./empty.ts";
import { ExecdRefusal } from "./errors.ts";
import { expandPath } from "./expand.ts";
import { errorBody } from "./files-schema.ts";
import { startedOnce } from "./once.ts";
import { resumed, streamExecution } from "./run-stream.ts";

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
    handle: async ({ params, body }, request, context) => {
      const earlier = resumed(request, context);
      if (earlier) return earlier;
      const { engine, sessionSurviveMs } = context;
      const cwd =
        body.cwd == null || body.cwd === "" ? undefined : runDirectory(body.cwd, engine.environment, engine);
      const session = engine.shells.get(params.sessionId);
      if (!session)
        throw new ExecdRefusal(404, "CONTEXT_NOT_FOUND", "error running in session. context not found");
      const start = () => {
        const run = session.run({ text: body.command, cwd, timeoutMs: body.timeout || DAY_MS });
        const facts = { kind: "session", content: body.command, owner: session.id } as const;
        return engine.executions.add(run, { ...facts, surviveMs: sessionSurviveMs });
      };
      const key = keyOf(request.raw.headers);
      const row = { method: "POST", path: RUN_PATH };
      const keyed =
        key === undefined
          ? undefined
          : { key, fingerprint: fingerprintOf(row, { params, query: undefined, body }) };
      const { execution, headers } = await startedOnce(keyed, start, context);
      return streamExecution(execution, request, undefined, headers);
    },
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

/** A session's own directory is made where it is missing. */
export async function openDirectory(cwd: string | null | undefined, engine: Engine): Promise<string> {
  if (cwd === undefined || cwd === null || cwd === "") return engine.workspace.path;
  await using directory = await makeDirectory(engine.paths, expandPath(cwd, engine.environment));
  return directory.path;
}
