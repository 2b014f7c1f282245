import { EngineError } from "../../engine/error.ts";
import type { KernelContext } from "../../engine/kernels/context.ts";
import { describeEnd } from "../../engine/run.ts";
import { route, type HopxContext } from "./context.ts";
import * as shapes from "./rich-schema.ts";
import { errorBody } from "./schema.ts";
import { sessionVariables } from "./session-variables.ts";

const refusals = {
  401: { description: "Token missing, wrong or expired", schema: errorBody },
  404: { description: "No such session, or its kernel has died", schema: errorBody },
} as const;
const one = { credential: "token", params: shapes.sessionName } as const;

/** The live kernels (10.7), and what can be done to them. */
export const jupyterRoutes = [
  route({
    method: "GET",
    path: "/jupyter/sessions",
    credential: "token",
    summary: "The kernels that keep variables, in order of making",
    responses: { 200: { description: "All there are", schema: shapes.kernelSessions }, 401: refusals[401] },
    handle: (_, __, { engine }) => {
      const sessions = engine.contexts.list().map(describeSession);
      return { status: 200, body: { status: "ok", sessions, count: sessions.length } };
    },
  }),

  route({
    ...one,
    method: "GET",
    path: "/jupyter/sessions/{id}",
    summary: "One kernel",
    responses: { 200: { description: "As in the list", schema: shapes.kernelSession }, ...refusals },
    handle: ({ params }, _, context) => ({
      status: 200,
      body: describeSession(sessionNamed(params.id, context)),
    }),
  }),

  route({
    ...one,
    method: "POST",
    path: "/jupyter/sessions/{id}/restart",
    summary: "Put a fresh kernel in place of a session's; its variables are lost",
    responses: { 200: { description: "Restarted", schema: shapes.kernelSession }, ...refusals },
    handle: async ({ params }, _, context) => {
      const session = sessionNamed(params.id, context);
      await session.restart();
      return { status: 200, body: describeSession(session) };
    },
  }),

  route({
    ...one,
    method: "POST",
    path: "/jupyter/sessions/{id}/interrupt",
    summary: "Stop what a session runs; a kernel that does not stop is restarted",
    responses: { 200: { description: "What has happened", schema: shapes.interrupted }, ...refusals },
    handle: async ({ params }, _, context) => {
      const session = sessionNamed(params.id, context);
      const outcome = await session.interrupt();
      return { status: 200, body: { outcome, session: describeSession(session) } };
    },
  }),

  route({
    ...one,
    method: "POST",
    path: "/jupyter/sessions/{id}/fork",
    summary: "Copy a session with all its variables, when it has done what it was asked before",
    idempotent: true,
    responses: {
      201: { description: "The copy, a session of its own", schema: shapes.kernelSession },
      400: { description: "Only Python sessions of the sandbox's own environment can", schema: errorBody },
      ...refusals,
      409: { description: "Its code has threads, tasks or processes, named in `details`", schema: errorBody },
      429: { description: "Too many sessions, or too many runs wait in this one", schema: errorBody },
      503: { description: "Its kernel does not answer, or the copy did not come up", schema: errorBody },
    },
    handle: async ({ params }, _, context) => {
      const session = sessionNamed(params.id, context);
      const inherit = sessionVariables.copied(session);
      const copy = await context.engine.contexts.copy(session);
      inherit(copy);
      return { status: 201, body: describeSession(copy) };
    },
  }),

  route({
    ...one,
    method: "DELETE",
    path: "/jupyter/sessions/{id}",
    summary: "End a kernel, with what it runs",
    responses: { 200: { description: "Ended", schema: shapes.sessionDeleted }, ...refusals },
    handle: async ({ params }, _, context) => {
      const { id } = sessionNamed(params.id, context);
      await context.engine.contexts.delete(id);
      return { status: 200, body: { success: true, session_id: id } };
    },
  }),
];

function sessionNamed(id: string, { engine }: HopxContext): KernelContext {
  const session = engine.contexts.get(id);
  if (session) return session;
  throw new EngineError("not_found", `There is no session ${id}`);
}

function describeSession(session: KernelContext) {
  const { id, language, state, queued, usage, death } = session;
  return {
    session_id: id,
    kernel_id: id,
    name: language,
    language,
    execution_state: state,
    connections: queued + (state === "busy" ? 1 : 0),
    queued,
    executions: session.executions,
    restarts: session.restarts,
    pid: session.pid ?? null,
    start: session.isForked === undefined ? null : session.isForked ? "warm" : "cold",
    working_dir: session.cwd,
    peak_memory_bytes: usage?.peakMemoryBytes ?? null,
    cpu_seconds: usage?.cpuSeconds ?? null,
    created_at: session.createdAt.toISOString(),
    last_activity: session.lastActivityAt.toISOString(),
    end: death
      ? {
          cause: death.cause,
          description: describeEnd(death),
          ...(death.cause === "signalled" ? { signal: death.signal } : {}),
        }
      : null,
  };
}
