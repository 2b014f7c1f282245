import { newExecutionId } from "../../engine/background/process.ts";
import { languageNamed } from "../../engine/engine.ts";
import { EngineError } from "../../engine/error.ts";
import type { WebhookTarget } from "../../engine/webhooks/target-request.ts";
import type { WebhookQueue } from "../../engine/webhooks/queue.ts";
import { describeAsync, lostBody, resultBody } from "./async-result.ts";
import { asyncRequest, asyncStarted, asyncState, executionId } from "./async-schema.ts";
import { codeFacts } from "./background.ts";
import { route } from "./context.ts";
import { toRunRequest } from "./run-request.ts";
import { errorBody } from "./schema.ts";

const DEFAULT_SECONDS = 3600;
const HEADER_PREFIX = "X-HopX-";

const notFound = { description: "There is no such execution, or it has been forgotten", schema: errorBody };

export const asyncRoutes = [
  route({
    method: "POST",
    path: "/execute/async",
    credential: "token",
    summary: "Run code; its result is POSTed to callback_url",
    idempotent: true,
    body: asyncRequest,
    responses: {
      200: { description: "The code runs", schema: asyncStarted },
      400: { description: "Invalid request, or an address that may not be called", schema: errorBody },
      429: { description: "Too many runs under way, or too many callbacks waiting", schema: errorBody },
    },
    handle: async ({ body }, request, { engine, maxOutputBytes }) => {
      const language = languageNamed(body.language);
      const target = targetOf(body);
      await engine.webhooks.check(target);
      const id = newExecutionId();
      request.note({ language: language.id, executionId: id });
      // Registered first: should the daemon be killed from here on, the callback says so.
      engine.webhooks.register(id, target);
      try {
        const place = toRunRequest(body, body.timeout ?? DEFAULT_SECONDS);
        const run = await engine.startCode({ ...place, kind: "background", language, code: body.code });
        request.note({ runId: run.id });
        const result = resultBody(id, run, maxOutputBytes);
        engine.background.add(run, codeFacts(language.id, body.code), { executionId: id, told: result });
        engine.webhooks.deliverWhen(id, result);
      } catch (error) {
        engine.webhooks.withdraw(id);
        throw error;
      }
      return {
        status: 200,
        body: {
          execution_id: id,
          status: "queued",
          callback_url: body.callback_url,
          message: "The code runs; its result will be sent to the callback URL",
          timestamp: new Date().toISOString(),
        },
      };
    },
  }),

  route({
    method: "GET",
    path: "/execute/async/{id}",
    credential: "token",
    summary: "State of an asynchronous run and of its callback",
    params: executionId,
    responses: { 200: { description: "Its state", schema: asyncState }, 404: notFound },
    handle: ({ params }, _, { engine }) => {
      const delivery = engine.webhooks.find(params.id);
      if (!delivery) throw new EngineError("not_found", `There is no execution ${params.id}`);
      return { status: 200, body: describeAsync(delivery) };
    },
  }),

  route({
    method: "POST",
    path: "/execute/async/{id}/redeliver",
    credential: "token",
    summary: "Send the result of an asynchronous run again",
    params: executionId,
    responses: {
      200: { description: "It is being sent", schema: asyncState },
      404: notFound,
      409: { description: "The run has not ended yet", schema: errorBody },
    },
    handle: ({ params }, _, { engine }) => ({
      status: 200,
      body: describeAsync(engine.webhooks.redeliver(params.id)),
    }),
  }),
];

/** Runs that a daemon which was killed left behind: their callbacks say that they were lost. */
export function deliverLost(webhooks: WebhookQueue): void {
  for (const id of webhooks.abandoned(HEADER_PREFIX)) webhooks.deliverWhen(id, Promise.resolve(lostBody(id)));
}

interface Callback {
  readonly callback_url: string;
  readonly callback_headers?: Readonly<Record<string, string>> | null | undefined;
  readonly callback_signature_secret?: string | null | undefined;
}

function targetOf(body: Callback): WebhookTarget {
  return {
    url: body.callback_url,
    headers: body.callback_headers ?? {},
    secret: body.callback_signature_secret ?? undefined,
    headerPrefix: HEADER_PREFIX,
  };
}
