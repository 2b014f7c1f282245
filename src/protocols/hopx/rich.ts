import { languageNamed } from "../../engine/engine.ts";
import { route } from "./context.ts";
import { richRequest, richResult } from "./rich-schema.ts";
import { answerCell } from "./rich-answer.ts";
import { startRich } from "./rich-start.ts";
import { answerRun, toRunRequest } from "./run-request.ts";
import { errorBody } from "./schema.ts";

const DEFAULT_SECONDS = 60;
const MOST_SECONDS = 300;

/**
 * Code by itself, in a kernel that nobody has used: one that waits, where there is one (4.6). A language that has no
 * kernel on this machine runs as with /execute, and says so.
 */
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
      const { engine } = context;
      const isClientLibrary = body.workdir !== undefined;
      const asked = body.timeout ?? DEFAULT_SECONDS;
      const language = languageNamed(body.language);
      request.note({ language: language.id });
      const place = toRunRequest(body, isClientLibrary ? asked : Math.min(asked, MOST_SECONDS));
      const formats = body.figure_formats ? { SANDERLING_FIGURE_FORMATS: body.figure_formats.join(",") } : {};
      const code = { ...place, language, code: body.code };
      const fields = { language: language.id };
      const env = { ...formats, ...place.env };
      const cell = await startRich({ ...code, language: language.id, env }, engine.contexts);
      if (!("reason" in cell)) return answerCell(cell, request, context, { isClientLibrary, fields });
      return answerRun(await engine.startCode(code), request, context, {
        what: "Execution",
        isClientLibrary,
        fields: { ...fields, rich_outputs: [], rich_unavailable: cell.reason },
      });
    },
  }),
];
