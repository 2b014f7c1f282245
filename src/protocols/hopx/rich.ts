import { languageNamed } from "../../engine/engine.ts";
import { EngineError } from "../../engine/error.ts";
import { route } from "./context.ts";
import { richRequest, richResult } from "./rich-schema.ts";
import { answerCell } from "./rich-answer.ts";
import { answerRun, toRunRequest } from "./run-request.ts";
import { errorBody } from "./schema.ts";

const DEFAULT_SECONDS = 60;
const MOST_SECONDS = 300;

/** Code by itself, in a kernel that nobody has used: one that waits, where there is one (4.6). */
export const richRoutes = [
  route({
    method: "POST",
    path: "/execute/rich",
    credential: "token",
    summary: "Run code in a fresh interpreter and get plots, tables and other values as data",
    idempotent: true,
    body: richRequest,
    responses: {
      200: { description: "The code has run", schema: richResult },
      500: {
        description: "The code failed (published form; requests with workdir get 200)",
        schema: richResult,
      },
      400: { description: "Invalid request: missing or wrong field, unknown language", schema: errorBody },
      401: { description: "Token missing, wrong or expired", schema: errorBody },
      408: { description: "Timed out, with what was printed until then", schema: errorBody },
      413: { description: "Request body too large", schema: errorBody },
      429: { description: "Too many contexts at once", schema: errorBody },
    },
    handle: async ({ body }, request, context) => {
      const { contexts } = context.engine;
      const isClientLibrary = body.workdir !== undefined;
      const asked = body.timeout ?? DEFAULT_SECONDS;
      const language = languageNamed(body.language);
      request.note({ language: language.id });
      const { cwd, env, limits, stdin, timeoutMs } = toRunRequest(
        body,
        isClientLibrary ? asked : Math.min(asked, MOST_SECONDS),
      );
      const formats = body.figure_formats ? { SANDERLING_FIGURE_FORMATS: body.figure_formats.join(",") } : {};
      const style = { isClientLibrary, fields: { language: language.id } };
      const kernel = await contexts
        .create({ language: language.id, cwd, env: { ...formats, ...env }, limits })
        .catch(absent);
      if (kernel === undefined) {
        const run = await context.engine.startCode({
          ...toRunRequest(body, asked),
          language,
          code: body.code,
        });
        const fields = { ...style.fields, rich_outputs: [] };
        return answerRun(run, request, context, { what: "Execution", isClientLibrary, fields });
      }
      try {
        const run = await kernel.execute({ code: body.code, stdin, timeoutMs });
        return await answerCell(run, request, context, style);
      } finally {
        void contexts.delete(kernel.id);
      }
    },
  }),
];

/** A language that has no kernel on this machine runs as with /execute, and shows nothing but text. */
function absent(error: unknown): undefined {
  if (error instanceof EngineError && error.code === "unsupported") return undefined;
  throw error;
}
