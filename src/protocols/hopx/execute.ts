import { languageNamed } from "../../engine/engine.ts";
import { answerCached, useCache } from "./cached-run.ts";
import { route } from "./context.ts";
import { codeResult } from "./rich-schema.ts";
import { richFieldsOf } from "./rich-view.ts";
import { answerRun, toRunRequest } from "./run-request.ts";
import { commandRequest, commandResult, errorBody, executeRequest } from "./schema.ts";

const EXECUTE_DEFAULT_SECONDS = 60;
const EXECUTE_MOST_SECONDS = 300;
const COMMAND_DEFAULT_SECONDS = 30;

const refusals = {
  400: { description: "Invalid request: missing or wrong field, unknown language", schema: errorBody },
  401: { description: "Token missing, wrong or expired", schema: errorBody },
  408: { description: "Timed out, with what was printed until then", schema: errorBody },
  413: { description: "Request body too large", schema: errorBody },
  429: { description: "Too many runs under way", schema: errorBody },
} as const;

export const executeRoutes = [
  route({
    method: "POST",
    path: "/execute",
    credential: "token",
    summary: "Run code and wait for its end",
    idempotent: true,
    body: executeRequest,
    responses: {
      200: { description: "The code has run", schema: codeResult },
      500: {
        description: "The code failed (published form; requests with workdir get 200)",
        schema: codeResult,
      },
      ...refusals,
    },
    handle: async ({ body }, request, context) => {
      const isClientLibrary = body.workdir !== undefined;
      const asked = body.timeout ?? EXECUTE_DEFAULT_SECONDS;
      const timeout = isClientLibrary ? asked : Math.min(asked, EXECUTE_MOST_SECONDS);
      const language = languageNamed(body.language);
      request.note({ language: language.id });
      const codeRequest = { ...toRunRequest(body, timeout), language, code: body.code };
      const cache = useCache(body, codeRequest, context);
      const fields = { language: language.id, ...(cache ? { cached: false } : {}) };
      if (cache?.hit) return answerCached(cache.hit, request, context, fields);
      const run = await context.engine.startCode(codeRequest);
      return answerRun(run, request, context, {
        what: "Execution",
        isClientLibrary,
        fields: { ...fields, start: run.isWarm ? "warm" : "cold" },
        show: async (ended) => richFieldsOf(await context.engine.shownBy(ended)),
        keep: cache?.keep,
      });
    },
  }),

  route({
    method: "POST",
    path: "/commands/run",
    credential: "token",
    summary: "Run a command and wait for its end",
    idempotent: true,
    body: commandRequest,
    responses: {
      200: { description: "The command has run", schema: commandResult },
      500: {
        description: "The command failed (published form; requests with args or workdir get 200)",
        schema: commandResult,
      },
      ...refusals,
    },
    handle: async ({ body }, request, context) => {
      const { command, args } = body;
      const run = await context.engine.startCommand({
        ...toRunRequest(body, body.timeout ?? COMMAND_DEFAULT_SECONDS),
        argv: args ? [command, ...args] : ["/bin/sh", "-c", command],
      });
      return answerRun(run, request, context, {
        what: "Command",
        isClientLibrary: args !== undefined || body.workdir !== undefined,
        fields: { command },
      });
    },
  }),
];
