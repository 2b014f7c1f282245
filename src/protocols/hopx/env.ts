import { EngineError } from "../../engine/error.ts";
import type { Reply, RequestInfo } from "../../http/route.ts";
import { route, type HopxContext } from "./context.ts";
import { withMaskedFilled, withoutMasked } from "./env-mask.ts";
import { envKey, envVars, mergeEnvRequest, replaceEnvRequest } from "./env-schema.ts";
import { errorBody } from "./schema.ts";

const answers = {
  200: { description: "Changed (axios, or Prefer: return=representation)", schema: envVars },
  204: { description: "Changed" },
  400: { description: "Bad name or value", schema: errorBody },
  413: { description: "Too many or too large", schema: errorBody },
};

/** Variables of every later run (contracts/hopx-agent.md, 9 and 14.12 to 14.14). */
export const envRoutes = [
  route({
    method: "GET",
    path: "/env",
    credential: "token",
    summary: "The environment that every run starts with",
    responses: { 200: { description: "All variables", schema: envVars } },
    handle: (_, __, context) => ({ status: 200, body: describe(context) }),
  }),

  route({
    method: "PUT",
    path: "/env",
    credential: "token",
    summary: "Replace the variables; the machine's own stay unless an edited copy of all leaves them out",
    body: replaceEnvRequest,
    responses: answers,
    handle: async ({ body }, request, context) => {
      const { variables } = context.engine;
      if (body.merge === true) await variables.merge(withoutMasked(body.env_vars, variables.environment));
      else await variables.replace(withMaskedFilled(body.env_vars, variables.environment));
      return answerChange(request, context);
    },
  }),

  route({
    method: "PATCH",
    path: "/env",
    credential: "token",
    summary: "Set some variables, and take away those that are null",
    body: mergeEnvRequest,
    responses: answers,
    handle: async ({ body }, request, context) => {
      const { variables } = context.engine;
      await variables.merge(withoutMasked(body.env_vars, variables.environment));
      return answerChange(request, context);
    },
  }),

  route({
    method: "DELETE",
    path: "/env",
    credential: "token",
    summary: "Back to the machine's own variables",
    responses: { 200: answers[200], 204: answers[204] },
    handle: async (_, request, context) => {
      await context.engine.variables.clear();
      return answerChange(request, context);
    },
  }),

  route({
    method: "DELETE",
    path: "/env/{key}",
    credential: "token",
    summary: "Take one variable away; PATH, HOME and their like go back to the machine's value",
    params: envKey,
    responses: {
      200: answers[200],
      204: answers[204],
      404: { description: "No such variable", schema: errorBody },
    },
    handle: async ({ params: { key } }, request, context) => {
      const { variables } = context.engine;
      if (!Object.hasOwn(variables.visible, key)) {
        throw new EngineError("not_found", `There is no environment variable ${JSON.stringify(key)}`);
      }
      await variables.merge({ [key]: null });
      return answerChange(request, context);
    },
  }),
];

function describe({ engine: { variables } }: HopxContext) {
  const all = variables.visible;
  return {
    env_vars: all,
    count: Object.keys(all).length,
    custom: variables.custom,
    timestamp: new Date().toISOString(),
  };
}

/** The pages say 204 and the Python library wants it; the JavaScript one gives its caller what is answered. */
function answerChange(request: RequestInfo, context: HopxContext): Reply {
  const { headers } = request.raw;
  const body = describe(context);
  request.note({ variables: body.count });
  const wantsBody =
    (headers.get("user-agent") ?? "").startsWith("axios") ||
    /\breturn=representation\b/.test(headers.get("prefer") ?? "");
  return wantsBody ? { status: 200, body } : { status: 204 };
}
