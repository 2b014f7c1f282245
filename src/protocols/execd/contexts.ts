import { z } from "zod";
import type { Engine } from "../../engine/engine.ts";
import { EngineError } from "../../engine/error.ts";
import type { KernelContext } from "../../engine/kernels/context.ts";
import { codeContext, contextRequest } from "./code-schema.ts";
import { route } from "./context.ts";
import { emptyReply } from "./empty.ts";
import { ExecdRefusal } from "./errors.ts";
import { errorBody } from "./files-schema.ts";
import { openDirectory } from "./sessions.ts";

const params = z.object({ contextId: z.string() });
const languageQuery = z.object({ language: z.string().optional() });
const refusals = {
  400: { description: "Unknown language, or not something that can be used so", schema: errorBody },
  401: { description: "Access token missing or wrong", schema: errorBody },
  429: { description: "Too many contexts", schema: errorBody },
  501: { description: "This machine has no kernel for the language", schema: errorBody },
} as const;
const notFound = { 404: { description: "No such context", schema: errorBody } } as const;
/** Languages of `POST /code` without a state to keep in a context (contracts/opensandbox-execd.md, 7.2). */
const STATELESS = ["command", "background-command", "sql"];

/** Contexts of code: each a language with its variables. */
export const contextRoutes = [
  route({
    method: "POST",
    path: "/code/context",
    credential: "token",
    summary: "Make a context of a language",
    body: contextRequest,
    responses: { 200: { description: "Ready for code", schema: codeContext }, ...refusals },
    handle: async ({ body: { language, cwd } }, _, { engine }) => {
      refuseStateless(language);
      const context = await engine.contexts.create({ language, cwd: await openDirectory(cwd, engine) });
      // The language as it was asked for: clients compare.
      return { status: 200, body: { id: context.id, language, ...(cwd ? { cwd } : {}) } };
    },
  }),

  route({
    method: "GET",
    path: "/code/contexts",
    credential: "token",
    summary: "List the contexts, of one language or all",
    query: languageQuery,
    responses: { 200: { description: "The contexts", schema: z.array(codeContext) }, ...refusals },
    handle: ({ query: { language } }, _, { engine }) => ({
      status: 200,
      body: listContexts(language, engine).map(describe),
    }),
  }),

  route({
    method: "DELETE",
    path: "/code/contexts",
    credential: "token",
    summary: "Delete the contexts of a language, its shared one included",
    query: languageQuery,
    responses: { 200: { description: "Deleted; no body" }, ...refusals },
    handle: async ({ query: { language = "" } }, _, { engine }) => {
      if (language === "") throw new ExecdRefusal(400, "MISSING_QUERY", "missing query parameter 'language'");
      await Promise.all(listContexts(language, engine).map(({ id }) => engine.contexts.delete(id)));
      return emptyReply();
    },
  }),

  route({
    method: "GET",
    path: "/code/contexts/{contextId}",
    credential: "token",
    summary: "One context",
    params,
    responses: { 200: { description: "The context", schema: codeContext }, ...refusals, ...notFound },
    handle: ({ params: { contextId } }, _, { engine }) => {
      const context = engine.contexts.get(contextId);
      if (context) return { status: 200, body: describe(context) };
      throw unknownContext(contextId);
    },
  }),

  route({
    method: "POST",
    path: "/code/contexts/{contextId}/fork",
    credential: "token",
    summary: "Copy a context with all its variables, when it has done what it was asked before",
    params,
    responses: {
      200: { description: "The copy, a context of its own", schema: codeContext },
      ...refusals,
      ...notFound,
      409: {
        description: "Its code has threads, tasks or processes that cannot be copied",
        schema: errorBody,
      },
      503: { description: "Its kernel does not answer, or the copy did not come up", schema: errorBody },
    },
    handle: async ({ params: { contextId } }, _, { engine }) => {
      const context = engine.contexts.get(contextId);
      if (context === undefined) throw unknownContext(contextId);
      return { status: 200, body: describe(await engine.contexts.copy(context)) };
    },
  }),

  route({
    method: "DELETE",
    path: "/code/contexts/{contextId}",
    credential: "token",
    summary: "Delete a context, its kernel and everything in it",
    params,
    responses: { 200: { description: "Deleted; no body" }, ...refusals, ...notFound },
    handle: async ({ params: { contextId } }, _, { engine }) => {
      if (await engine.contexts.delete(contextId)) return emptyReply();
      throw unknownContext(contextId);
    },
  }),
];

export function unknownContext(id: string): ExecdRefusal {
  return new ExecdRefusal(404, "CONTEXT_NOT_FOUND", `context ${id} not found`);
}

/** A language that nobody knows has no contexts. */
function listContexts(language: string | undefined, engine: Engine): KernelContext[] {
  if (language === undefined || language === "") return engine.contexts.list();
  refuseStateless(language);
  try {
    return engine.contexts.list(language);
  } catch (error) {
    if (error instanceof EngineError && error.code === "invalid") return [];
    throw error;
  }
}

function refuseStateless(language: string): void {
  if (STATELESS.includes(language))
    throw new ExecdRefusal(
      400,
      "INVALID_REQUEST_BODY",
      `unsupported language context operation: ${language}`,
    );
}

function describe({ id, language, cwd }: KernelContext) {
  return { id, language, cwd };
}
