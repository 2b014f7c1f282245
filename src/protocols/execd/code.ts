import type { z } from "zod";
import type { Execution } from "../../engine/executions/execution.ts";
import type { KernelContext } from "../../engine/kernels/context.ts";
import { codeRequest } from "./code-schema.ts";
import { startCommand } from "./commands.ts";
import { route, type ExecdContext } from "./context.ts";
import { ExecdRefusal } from "./errors.ts";
import { errorBody } from "./files-schema.ts";
import { startQuery } from "./sql.ts";
import { answerStarted } from "./started.ts";

type CodeBody = z.output<typeof codeRequest>;

const PATH = "/code";

/** contracts/opensandbox-execd.md, 7.3 and 7.4. */
export const codeRoutes = [
  route({
    method: "POST",
    path: PATH,
    credential: "token",
    summary: "Execute code in a context when its turn comes (event stream)",
    body: codeRequest,
    responses: {
      200: { description: "Events: init, stdout, stderr, results, and execution_complete or error" },
      204: { description: "Last-Event-ID was the last event" },
      400: { description: "Unknown language, or not something that can be executed", schema: errorBody },
      401: { description: "Access token missing or wrong", schema: errorBody },
      404: { description: "No such context, or it has died", schema: errorBody },
      429: { description: "Too many contexts, or runs that wait", schema: errorBody },
      501: { description: "This machine has no kernel for the language", schema: errorBody },
    },
    handle: ({ body }, request, context) =>
      answerStarted({ path: PATH, request, body }, context, () => start(body, context)),
  }),
];

async function start(body: CodeBody, context: ExecdContext): Promise<Execution> {
  const id = body.context?.id ?? "";
  const language = body.context?.language ?? "";
  switch (language) {
    case "command":
    case "background-command":
      return startCommand({ command: body.code, background: language !== "command" }, context);
    case "sql":
      return startQuery(body.code, context);
    case "":
      if (id === "") return startCommand({ command: body.code }, context);
  }
  const kernel = await contextOf(id, language, context);
  const run = await kernel.execute({ code: body.code });
  const facts = { kind: "code", content: body.code, owner: kernel.id } as const;
  return context.engine.executions.add(run, { ...facts, surviveMs: context.executionSurviveMs });
}

async function contextOf(id: string, language: string, { engine }: ExecdContext): Promise<KernelContext> {
  if (id === "") return engine.contexts.default(language);
  const context = engine.contexts.get(id);
  if (context) return context;
  throw new ExecdRefusal(404, "CONTEXT_NOT_FOUND", "error running codes context not found");
}
