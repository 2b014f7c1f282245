import type { BackgroundProcess } from "../../engine/background/process.ts";
import { EngineError } from "../../engine/error.ts";
import { endOrTimeUp } from "../../engine/process/stop-run.ts";
import {
  backgroundProcess,
  outputQuery,
  outputSlice,
  processName,
  stdinAnswer,
  stdinRequest,
  waited,
  waitQuery,
} from "./background-schema.ts";
import { decodeBase64 } from "./base64.ts";
import { describeSlice } from "./background-output.ts";
import { describeProcess } from "./background-view.ts";
import { route, type HopxContext } from "./context.ts";
import { errorBody } from "./schema.ts";

const refusals = {
  400: { description: "Invalid request", schema: errorBody },
  401: { description: "Token missing, wrong or expired", schema: errorBody },
  404: { description: "No such process, or forgotten since its end", schema: errorBody },
} as const;

/** One background process: beyond the published routes, because a list is no way to follow one of them. */
export const oneBackgroundRoutes = [
  route({
    method: "GET",
    path: "/execute/processes/{id}",
    credential: "token",
    summary: "One background process, with the newest of its output",
    params: processName,
    responses: { 200: { description: "The process", schema: backgroundProcess }, ...refusals },
    handle: async ({ params }, _, context) => ({
      status: 200,
      body: await describeProcess(named(params.id, context), context.maxOutputBytes),
    }),
  }),

  route({
    method: "GET",
    path: "/execute/processes/{id}/output",
    credential: "token",
    summary: "What a background process printed, from an offset on",
    params: processName,
    query: outputQuery,
    responses: { 200: { description: "Some bytes of one stream", schema: outputSlice }, ...refusals },
    handle: async ({ params, query }, _, context) => ({
      status: 200,
      body: await describeSlice(named(params.id, context), query),
    }),
  }),

  route({
    method: "GET",
    path: "/execute/processes/{id}/wait",
    credential: "token",
    summary: "Answers when a background process ends or the time is up",
    params: processName,
    query: waitQuery,
    responses: { 200: { description: "The process", schema: waited }, ...refusals },
    handle: async ({ params, query }, request, context) => {
      const process = named(params.id, context);
      await endOrTimeUp(process.run, query.timeout * 1000, request.signal);
      const ended = process.run.hasEnded;
      return { status: 200, body: { ...(await describeProcess(process, context.maxOutputBytes)), ended } };
    },
  }),

  route({
    method: "POST",
    path: "/execute/processes/{id}/stdin",
    credential: "token",
    summary: "Write to the stdin of a background process that was started with stdin_open",
    params: processName,
    body: stdinRequest,
    responses: {
      200: { description: "All of it was accepted", schema: stdinAnswer },
      ...refusals,
      409: { description: "Its stdin is not open, or it has ended", schema: errorBody },
      413: { description: "More than can ever wait", schema: errorBody },
      429: { description: "The program does not read what is already there", schema: errorBody },
    },
    handle: ({ params, body }, _, context) => {
      const process = named(params.id, context);
      const input = inputOf(process);
      const bytes = decode(body.data, body.encoding);
      if (bytes.byteLength > 0) input.write(bytes);
      if (body.close) input.end();
      return {
        status: 200,
        body: {
          process_id: process.id,
          written_bytes: bytes.byteLength,
          waiting_bytes: input.waitingBytes,
          stdin: input.state,
        },
      };
    },
  }),
];

/** @throws EngineError `not_found` in the words of the published page. */
export function named(id: string, { engine }: HopxContext): BackgroundProcess {
  return engine.background.find(id) ?? refuseUnknown(id);
}

export function refuseUnknown(id: string): never {
  throw new EngineError("not_found", "Process not found", { details: { process_id: id } });
}

function inputOf({ id, run }: BackgroundProcess) {
  if (run.hasEnded) throw new EngineError("conflict", `Cannot write to stdin: process ${id} has ended`);
  if (run.stdin) return run.stdin;
  throw new EngineError(
    "conflict",
    `Cannot write to stdin: process ${id} was not started with stdin_open, so its input was complete from the start`,
  );
}

function decode(data: string, encoding: "utf8" | "base64"): Uint8Array {
  return encoding === "utf8" ? new TextEncoder().encode(data) : decodeBase64(data);
}
