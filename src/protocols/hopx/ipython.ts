import { EngineError } from "../../engine/error.ts";
import type { KernelContext } from "../../engine/kernels/context.ts";
import type { KernelContexts } from "../../engine/kernels/contexts.ts";
import { route } from "./context.ts";
import { answerCell } from "./rich-answer.ts";
import { ipythonRequest, ipythonResult } from "./rich-schema.ts";
import { errorBody } from "./schema.ts";
import { sessionVariables } from "./session-variables.ts";

const DEFAULT_SECONDS = 60;

/** Python whose variables stay from call to call (4.7). Failing code is always 200, as its one client expects. */
export const ipythonRoutes = [
  route({
    method: "POST",
    path: "/execute/ipython",
    credential: "token",
    summary: "Run Python in a session that keeps its variables",
    idempotent: true,
    body: ipythonRequest,
    responses: {
      200: { description: "The code has run, and has perhaps failed", schema: ipythonResult },
      400: { description: "Invalid request", schema: errorBody },
      401: { description: "Token missing, wrong or expired", schema: errorBody },
      404: { description: "The session's kernel has died; delete it to begin anew", schema: errorBody },
      429: { description: "Too many runs wait in this session", schema: errorBody },
    },
    handle: async ({ body }, request, context) => {
      const { engine } = context;
      const session = await sessionOf(body.session_id ?? undefined, engine.contexts);
      request.note({ session: session.id });
      const run = await sessionVariables.during(session, engine.environment, body.env ?? {}, () =>
        session.execute({
          code: body.code,
          stdin: body.stdin ?? undefined,
          timeoutMs: (body.timeout ?? DEFAULT_SECONDS) * 1000,
        }),
      );
      const fields = { language: session.language, session_id: session.id };
      return answerCell(run, request, context, { fields, isClientLibrary: true });
    },
  }),
];

async function sessionOf(id: string | undefined, contexts: KernelContexts): Promise<KernelContext> {
  if (id === undefined) return contexts.default("python");
  const known = contexts.get(id);
  if (known) return known;
  try {
    return await contexts.create({ language: "python", id });
  } catch (error) {
    // Somebody else has made it in this moment.
    const made = error instanceof EngineError && error.code === "exists" ? contexts.get(id) : undefined;
    if (made) return made;
    throw error;
  }
}
