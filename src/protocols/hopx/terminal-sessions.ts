import type { z } from "zod";
import { EngineError } from "../../engine/error.ts";
import { RECORDING_TYPE, type Recording } from "../../engine/terminal/recording.ts";
import type { TerminalSession } from "../../engine/terminal/session.ts";
import { route, type HopxContext } from "./context.ts";
import { errorBody } from "./schema.ts";
import * as shapes from "./terminal-schema.ts";
import { createSession, missing } from "./terminal.ts";
import { describeRecording, describeSession } from "./terminal-view.ts";

const refusals = {
  400: { description: "Invalid request", schema: errorBody },
  401: { description: "Token missing, wrong or expired", schema: errorBody },
  404: { description: "No such session", schema: errorBody },
  409: { description: "It is in another state than that needs", schema: errorBody },
} as const;
const one = { credential: "token", params: shapes.sessionName } as const;

/** Terminal sessions, of both APIs: made, listed, recorded and ended without a connection. */
export const terminalSessionRoutes = [
  route({
    method: "GET",
    path: "/terminal/sessions",
    credential: "token",
    summary: "The terminal sessions, in order of making",
    responses: { 200: { description: "All there are", schema: shapes.sessionList }, 401: refusals[401] },
    handle: (_, __, { engine }) => {
      const sessions = engine.terminals.list().map(describeSession);
      return { status: 200, body: { sessions, count: sessions.length } };
    },
  }),

  route({
    method: "POST",
    path: "/terminal/sessions",
    credential: "token",
    summary: "Make a terminal session and start its program",
    body: shapes.sessionRequest,
    idempotent: true,
    responses: {
      201: { description: "Started", schema: shapes.session },
      429: { description: "Too many sessions", schema: errorBody },
      ...refusals,
    },
    handle: async ({ body }, request, { engine }) => {
      const session = createSession(body, engine);
      request.note({ session: session.id });
      try {
        if (body.record) session.startRecording();
        await session.start("terminal");
      } catch (error) {
        await engine.terminals.close(session);
        throw error;
      }
      return { status: 201, body: describeSession(session) };
    },
  }),

  route({
    ...one,
    method: "GET",
    path: "/terminal/sessions/{session}",
    summary: "One terminal session",
    responses: { 200: { description: "The session", schema: shapes.session }, ...refusals },
    handle: ({ params }, _, context) => ({ status: 200, body: describeSession(sessionOf(params, context)) }),
  }),

  route({
    ...one,
    method: "DELETE",
    path: "/terminal/sessions/{session}",
    summary: "End a terminal session and all that runs in it",
    responses: { 200: { description: "Ended", schema: shapes.sessionEnded }, ...refusals },
    handle: async ({ params }, _, context) => {
      const session = sessionOf(params, context);
      await context.engine.terminals.close(session);
      return { status: 200, body: { success: true, session_id: session.id } };
    },
  }),

  route({
    ...one,
    method: "POST",
    path: "/terminal/sessions/{session}/recording",
    summary: "Record what a session shows from now on (asciinema, version 2)",
    responses: { 200: { description: "Being recorded", schema: shapes.recording }, ...refusals },
    handle: ({ params }, _, context) => ({
      status: 200,
      body: describeRecording(sessionOf(params, context).startRecording()),
    }),
  }),

  route({
    ...one,
    method: "DELETE",
    path: "/terminal/sessions/{session}/recording",
    summary: "Stop recording; what there is stays until the next recording or the session's end",
    responses: { 200: { description: "Stopped", schema: shapes.recording }, ...refusals },
    handle: ({ params }, _, context) => {
      const recording = recordingOf(sessionOf(params, context));
      recording.stop();
      return { status: 200, body: describeRecording(recording) };
    },
  }),

  route({
    ...one,
    method: "GET",
    path: "/terminal/sessions/{session}/recording",
    summary: "The recording so far, as a file for asciinema",
    responses: { 200: { description: "The file" }, ...refusals },
    handle: ({ params }, _, context) => {
      const session = sessionOf(params, context);
      const recording = recordingOf(session);
      return new Response(toStream(recording), {
        headers: {
          "Content-Type": RECORDING_TYPE,
          "Content-Disposition": `attachment; filename="${session.facts.name ?? session.id}.cast"`,
          "X-Content-Type-Options": "nosniff",
        },
      });
    },
  }),
];

/** @throws EngineError `not_found`. */
function sessionOf(
  { session }: z.output<typeof shapes.sessionName>,
  { engine }: HopxContext,
): TerminalSession {
  const found = engine.terminals.find(session);
  if (found) return found;
  throw missing(session);
}

/** @throws EngineError `not_found`. */
function recordingOf({ id, recording }: TerminalSession): Recording {
  if (recording) return recording;
  throw new EngineError("not_found", `Terminal session ${id} has no recording`);
}

function toStream(recording: Recording): ReadableStream<Uint8Array> {
  const parts = recording.read();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await parts.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await parts.return();
    },
  });
}
