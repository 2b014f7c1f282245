import { z } from "zod";
import type { Execution } from "../../engine/executions/execution.ts";
import { ProcessRun } from "../../engine/process/process-run.ts";
import { readCombined } from "../../engine/executions/combined-output.ts";
import { streamOf } from "../../http/stream.ts";
import { commandStatus } from "./command-schema.ts";
import { route, type ExecdContext } from "./context.ts";
import { ExecdRefusal } from "./errors.ts";
import { errorBody } from "./files-schema.ts";
import { describeFailure, toldCode } from "./frames.ts";
import { positionAsked, streamExecution, unknownExecution } from "./run-stream.ts";

const params = z.object({ id: z.string() });
const TAIL_CURSOR = "EXECD-COMMANDS-TAIL-CURSOR";
const notFound = {
  401: { description: "Access token missing or wrong", schema: errorBody },
  404: { description: "No such command (any more)", schema: errorBody },
} as const;

/** What can be asked about one command (contracts/opensandbox-execd.md, 5.8 and 5.9). */
export const oneCommandRoutes = [
  route({
    method: "GET",
    path: "/command/status/{id}",
    credential: "token",
    summary: "Whether a command runs, and how it ended",
    params,
    responses: { 200: { description: "The command", schema: commandStatus }, ...notFound },
    handle: ({ params: { id } }, _, context) => ({ status: 200, body: describe(executionOf(id, context)) }),
  }),

  route({
    method: "GET",
    path: "/command/{id}/logs",
    credential: "token",
    summary: "What a background command printed since a cursor, both streams in order",
    params,
    query: z.object({
      cursor: z.string().optional().describe("Bytes; the answer's header has the next one"),
    }),
    responses: {
      200: { description: `Text; the header ${TAIL_CURSOR} has the next cursor` },
      400: { description: "Not a background command, or a bad cursor", schema: errorBody },
      ...notFound,
    },
    handle: ({ params: { id }, query }, _, context) => {
      const execution = context.engine.executions.get(id);
      // In the status that the clients document for this route.
      if (!execution) throw new ExecdRefusal(400, "INVALID_REQUEST_BODY", `command not found: ${id}`);
      const { run, facts } = execution;
      if (facts.kind !== "background" || !(run instanceof ProcessRun))
        throw new ExecdRefusal(400, "INVALID_REQUEST_BODY", `command ${id} is not running in background`);
      const { bytes, end } = readCombined(run.journal, cursorOf(query.cursor));
      return new Response(streamOf(bytes), {
        headers: { "Content-Type": "text/plain; charset=utf-8", [TAIL_CURSOR]: String(end) },
      });
    },
  }),

  route({
    method: "GET",
    path: "/command/{id}/events",
    credential: "token",
    summary: "The event stream of any run of this API, from its start or from where a client stopped",
    params,
    query: z.object({ last_event_id: z.string().optional().describe("As the header Last-Event-ID") }),
    responses: {
      200: { description: "Events as those of the request that started the run" },
      204: { description: "Last-Event-ID was the last event" },
      ...notFound,
    },
    handle: ({ params: { id }, query }, request, context) => {
      const execution = executionOf(id, context);
      return streamExecution(execution, request, positionAsked(execution, request, query.last_event_id));
    },
  }),
];

function executionOf(id: string, { engine }: ExecdContext): Execution {
  const execution = engine.executions.get(id);
  if (execution) return execution;
  throw unknownExecution(id);
}

function describe({ id, facts, run, finishedAt }: Execution) {
  const { ended } = run;
  return {
    id,
    content: facts.content,
    running: ended === undefined,
    started_at: run.startedAt.toISOString(),
    ...(ended && finishedAt
      ? {
          exit_code: toldCode(ended.end),
          error: describeFailure(ended.end),
          finished_at: finishedAt.toISOString(),
        }
      : {}),
  };
}

/** What is no number counts as the beginning, as the reference server has it. */
function cursorOf(text: string | undefined): number {
  if (text !== undefined && /^-\d+$/.test(text))
    throw new ExecdRefusal(400, "INVALID_REQUEST_BODY", "cursor cannot be negative");
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : 0;
}
