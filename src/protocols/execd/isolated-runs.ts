import { z } from "zod";
import type { ShellRun } from "../../engine/shell/shell-run.ts";
import { eventStream, toFrame } from "../../http/event-stream.ts";
import { route } from "./context.ts";
import { ExecdRefusal } from "./errors.ts";
import { completeEvent, describeFailure, errorEvent, textEvent, type ErrorFacts } from "./frames.ts";
import { isolatedRun } from "./isolated-schema.ts";
import { isolatedRefusals, isolatedSession, SESSION, sessionParams } from "./isolated.ts";
import { LineTeller } from "./lines.ts";
import type { PieceSink } from "./pieces.ts";
import { startOf } from "./stream-position.ts";
import type { RunEnd } from "../../engine/run.ts";

const runParams = sessionParams.extend({ runId: z.string() });
const logsQuery = z.object({
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, "cursor must be a whole number")
    .transform(Number)
    .optional(),
});
const anything = z.looseObject({});
const MOST_LOG_BYTES = 16 * 2 ** 20;

/** contracts/opensandbox-execd.md, 13. */
export const isolatedRunRoutes = [
  route({
    method: "POST",
    path: `${SESSION}/run`,
    credential: "token",
    summary: "Run code in a session: as an event stream, or in the background",
    params: sessionParams,
    body: isolatedRun,
    responses: {
      200: { description: "Events: stdout, and execution_complete or error" },
      202: { description: "Started in the background", schema: anything },
      ...isolatedRefusals,
    },
    handle: async ({ params, body }, request, context) => {
      const session = isolatedSession(params.sessionId, context);
      const { code, timeout_seconds: seconds } = body;
      const command = { code, env: body.envs ?? {}, timeoutMs: seconds ? 1000 * seconds : undefined };
      if (body.background !== true) {
        const run = session.run(command);
        request.note({ runId: run.id });
        return streamRun(run);
      }
      const started = await session.start(command);
      return {
        status: 202,
        body: { session_id: session.id, run_id: started.id, started_at: started.startedAt.toISOString() },
      };
    },
  }),

  route({
    method: "GET",
    path: `${SESSION}/runs/{runId}`,
    credential: "token",
    summary: "How a background run is going",
    params: runParams,
    responses: { 200: { description: "Its state", schema: anything }, ...isolatedRefusals },
    handle: async ({ params: { sessionId, runId } }, _, context) => {
      const { run, isLost } = knownRun(isolatedSession(sessionId, context), runId);
      const state = await run.state(isLost);
      return {
        status: 200,
        body: {
          session_id: sessionId,
          run_id: state.id,
          running: state.isRunning,
          exit_code: state.exitCode,
          error: describeCode(state.isRunning, state.exitCode),
          started_at: state.startedAt.toISOString(),
          finished_at: state.finishedAt?.toISOString(),
        },
      };
    },
  }),

  route({
    method: "GET",
    path: `${SESSION}/runs/{runId}/logs`,
    credential: "token",
    summary: "What a background run has printed from a byte on, at most 16 MiB",
    params: runParams,
    query: logsQuery,
    responses: {
      200: { description: "Bytes; EXECD-ISOLATED-TAIL-CURSOR: where to go on" },
      ...isolatedRefusals,
    },
    handle: async ({ params: { sessionId, runId }, query }, _, context) => {
      const { run } = knownRun(isolatedSession(sessionId, context), runId);
      const { bytes, cursor } = await run.logs(query.cursor ?? 0, MOST_LOG_BYTES);
      return new Response(new Uint8Array(bytes), {
        headers: {
          "Content-Type": "text/plain; charset=utf-8",
          "EXECD-ISOLATED-TAIL-CURSOR": String(cursor),
        },
      });
    },
  }),
];

/** A client that leaves ends its run; there is no name under which it could come back to it. */
function streamRun(run: ShellRun): Response {
  return eventStream(tell(run), {
    ping: () => toFrame(textEvent("ping", "pong")),
    ended: () => {
      if (!run.hasEnded) void run.cancel("client_gone");
      void run.outcome.then(() => run[Symbol.asyncDispose]());
    },
    headers: {},
  });
}

async function* tell(run: ShellRun): AsyncGenerator<string, void> {
  const start = startOf(run.id);
  const tellers = { stdout: new LineTeller(start.stdout), stderr: new LineTeller(start.stderr) };
  const frames: string[] = [];
  const sink: PieceSink = {
    get isFull() {
      return frames.length > 0;
    },
    // Both streams as one, which is how these routes tell them.
    piece: (bytes) => frames.push(toFrame(textEvent("stdout", bytes.toString("utf8")))),
  };
  for await (const told of run.events()) {
    if (told.type === "output")
      for (let at = 0; at < told.bytes.byteLength; yield* frames.splice(0))
        at += tellers[told.stream].push(told.bytes.subarray(at), sink);
    if (told.type !== "ended") continue;
    for (const teller of [tellers.stdout, tellers.stderr]) teller.flush(sink);
    yield* frames.splice(0);
    const error = errorOf(told.end);
    const { durationMs } = await run.outcome;
    yield toFrame(error ? errorEvent(error) : completeEvent(durationMs));
  }
}

function errorOf(end: RunEnd): ErrorFacts | undefined {
  if (end.cause === "exited" && end.code === 0) return undefined;
  const text = describeFailure(end) ?? "";
  if (end.cause === "exited") return { ename: "ExitError", evalue: String(end.code), traceback: [text] };
  return { ename: "RuntimeError", evalue: text, traceback: [text] };
}

function describeCode(isRunning: boolean, code: number | undefined): string | undefined {
  if (isRunning || code === 0) return undefined;
  return code === undefined ? "the session's shell was lost" : `exit status ${code}`;
}

function knownRun(session: ReturnType<typeof isolatedSession>, id: string) {
  const found = session.background(id);
  if (found) return found;
  throw new ExecdRefusal(404, "RUN_NOT_FOUND", `run ${id} not found in session ${session.id}`);
}
