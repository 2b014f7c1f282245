import { z } from "zod";
import { EngineError } from "../../engine/error.ts";
import type { IsolatedSession } from "../../engine/isolation/session.ts";
import { route, type ExecdContext } from "./context.ts";
import { emptyReply } from "./empty.ts";
import { ExecdRefusal } from "./errors.ts";
import { errorBody } from "./files-schema.ts";
import * as shapes from "./isolated-schema.ts";

export const sessionParams = z.object({ sessionId: z.string() });
export const SESSION = "/v1/isolated/session/{sessionId}";

export const isolatedRefusals = {
  400: { description: "Not something that can be used so", schema: errorBody },
  401: { description: "Access token missing or wrong", schema: errorBody },
  404: { description: "No such session", schema: errorBody },
  503: { description: "Not on this machine", schema: errorBody },
} as const;

const anything = z.looseObject({});

/** Shells in namespaces of their own (contracts/opensandbox-execd.md, 13). */
export const isolatedRoutes = [
  route({
    method: "GET",
    path: "/v1/isolated/capabilities",
    credential: "token",
    summary: "What isolation this machine allows, found out by trying",
    responses: { 200: { description: "Yes or no, and why not", schema: anything } },
    handle: async (_, __, { engine }) => ({
      status: 200,
      body: shapes.describeCapabilities(await engine.isolated.capabilities()),
    }),
  }),

  route({
    method: "POST",
    path: "/v1/isolated/session",
    credential: "token",
    summary: "Open a shell in namespaces of its own",
    body: shapes.isolatedRequest,
    responses: { 201: { description: "Opened", schema: anything }, ...isolatedRefusals },
    handle: async ({ body }, _, { engine }) => {
      const session = await possible(() => engine.isolated.create(shapes.toSpec(body)));
      const created = { session_id: session.id, created_at: session.createdAt.toISOString() };
      return { status: 201, body: { ...created, ...shapes.describeSpec(session) } };
    },
  }),

  route({
    method: "GET",
    path: "/v1/isolated/sessions",
    credential: "token",
    summary: "The open sessions, oldest first",
    responses: { 200: { description: "All of them", schema: anything } },
    handle: (_, __, { engine }) => ({
      status: 200,
      body: {
        sessions: engine.isolated.list().map((session) => ({
          session_id: session.id,
          status: "active",
          ...shapes.describeTimes(session),
        })),
      },
    }),
  }),

  route({
    method: "GET",
    path: SESSION,
    credential: "token",
    summary: "One session",
    params: sessionParams,
    responses: { 200: { description: "It is open", schema: anything }, ...isolatedRefusals },
    handle: ({ params }, _, context) => {
      const session = isolatedSession(params.sessionId, context);
      return {
        status: 200,
        body: { status: "active", ...shapes.describeTimes(session), ...shapes.describeSpec(session) },
      };
    },
  }),

  route({
    method: "DELETE",
    path: SESSION,
    credential: "token",
    summary: "End a session, everything in it and what its overlays hold",
    params: sessionParams,
    responses: { 200: { description: "Ended; no body" }, ...isolatedRefusals },
    handle: async ({ params: { sessionId } }, _, { engine }) => {
      if (!(await engine.isolated.close(sessionId))) throw unknownSession(sessionId);
      return emptyReply();
    },
  }),

  ...(
    [
      ["GET", "diff"],
      ["POST", "commit"],
    ] as const
  ).map(([method, what]) =>
    route({
      method,
      path: `${SESSION}/${what}`,
      credential: "token",
      summary: "Not offered, as the capabilities say",
      params: sessionParams,
      responses: { 503: isolatedRefusals[503] },
      handle: () => {
        throw new ExecdRefusal(503, "NOT_SUPPORTED", `${what} is not supported`);
      },
    }),
  ),
];

/** @throws ExecdRefusal 404. */
export function isolatedSession(id: string, { engine }: ExecdContext): IsolatedSession {
  const session = engine.isolated.get(id);
  if (session) return session;
  throw unknownSession(id);
}

function unknownSession(id: string): ExecdRefusal {
  return new ExecdRefusal(404, "SESSION_NOT_FOUND", `session ${id} not found`);
}

/** What this machine cannot do is 503 here, with one of two codes. */
async function possible<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof EngineError && error.code === "unsupported")
      throw new ExecdRefusal(503, "NOT_SUPPORTED", error.message);
    throw error;
  }
}
