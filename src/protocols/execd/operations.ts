import { z } from "zod";
import type { Operation, OperationKind, OperationProblem } from "../../engine/executions/operations.ts";
import { EngineError } from "../../engine/error.ts";
import { describeIssues, HttpFault } from "../../http/fault.ts";
import { fingerprintOf } from "../../http/idempotency-key.ts";
import type { Reply } from "../../http/route.ts";
import { startCommand } from "./commands.ts";
import { commandRequest, operationRequest } from "./command-schema.ts";
import { route } from "./context.ts";
import { ExecdRefusal } from "./errors.ts";
import { errorBody } from "./files-schema.ts";
import { makeSession } from "./pty.ts";
import { ptyOperationRequest } from "./pty-schema.ts";

/**
 * Creations that their caller names beforehand, as the upstream proposal for them has it (OSEP-0024, a draft in
 * September 2026).
 */
const HEADER = "X-EXECD-OPERATION-ID";
const NO_STORE = { "Cache-Control": "no-store" } as const;
const PATH = "/command/operations";
const PTY_PATH = "/pty/operations";

const instance = z
  .object({ instance_id: z.string(), issued_at: z.int(), retention_seconds: z.int(), capacity: z.int() })
  .meta({ id: "ExecutionInstance" });
const operation = z
  .object({
    id: z.string(),
    kind: z.enum(["command", "pty"]),
    state: z.literal("created"),
    expires_at: z.iso.datetime(),
  })
  .meta({ id: "ExecutionOperation" });
const refusals = {
  400: { description: "Not an operation id, or not something that can be created", schema: errorBody },
  401: { description: "Access token missing or wrong", schema: errorBody },
  404: { description: "Nothing was created under this id", schema: errorBody },
  409: { description: "Used with another request, or meant for another daemon", schema: errorBody },
  410: { description: "Expired", schema: errorBody },
  503: { description: "Too many are remembered", schema: errorBody },
} as const;

const STATUSES: Readonly<Record<OperationProblem, 400 | 404 | 409 | 410 | 503>> = {
  invalid_operation_id: 400,
  operation_not_found: 404,
  operation_instance_mismatch: 409,
  operation_expired: 410,
  operation_capacity_exceeded: 503,
};

export const operationRoutes = [
  route({
    method: "GET",
    path: "/execution/instance",
    credential: "token",
    summary: "What operation ids for this daemon begin with",
    responses: { 200: { description: "The instance", schema: instance }, ...refusals },
    handle: (_, __, { engine: { operations } }) => ({
      status: 200,
      headers: NO_STORE,
      body: {
        instance_id: operations.instance,
        issued_at: Math.floor(Date.now() / 1000),
        retention_seconds: operations.retentionSeconds,
        capacity: operations.capacity,
      },
    }),
  }),

  route({
    method: "POST",
    path: PATH,
    credential: "token",
    summary: "Start a command under an operation id, once; its output is in the logs and the event stream",
    body: operationRequest,
    responses: { 200: { description: "Started, now or before", schema: operation }, ...refusals },
    handle: ({ body: { operation_id, ...body } }, _, context) => {
      const command = checked(body);
      const fingerprint = fingerprintAt(PATH, command);
      const start = async () => (await startCommand(command, context)).id;
      return answer(() => context.engine.operations.create("command", operation_id, fingerprint, start));
    },
  }),

  route({
    method: "POST",
    path: PTY_PATH,
    credential: "token",
    summary: "Make a terminal session under an operation id, once",
    body: ptyOperationRequest,
    responses: { 200: { description: "Made, now or before", schema: operation }, ...refusals },
    handle: ({ body: { operation_id, ...body } }, _, { engine }) => {
      const fingerprint = fingerprintAt(PTY_PATH, body);
      const start = async () => (await makeSession(body, engine)).id;
      return answer(() => engine.operations.create("pty", operation_id, fingerprint, start));
    },
  }),

  route({
    method: "GET",
    path: "/execution/operation",
    credential: "token",
    summary: `What was created under the operation id in ${HEADER}`,
    query: z.object({ kind: z.enum(["command", "pty"]) }),
    responses: { 200: { description: "The operation", schema: operation }, ...refusals },
    handle: ({ query: { kind } }, { raw }, { engine }) =>
      answer(() => engine.operations.find(kind, raw.headers.get(HEADER) ?? "")),
  }),
];

function fingerprintAt(path: string, body: unknown): string {
  return fingerprintOf({ method: "POST", path }, { params: undefined, query: undefined, body });
}

function checked(body: unknown): z.output<typeof commandRequest> {
  const result = commandRequest.safeParse(body);
  if (result.success) return result.data;
  throw new HttpFault("invalid_input", describeIssues(result.error));
}

/** Answers with an operation, or with the code that the proposal has for why there is none. */
async function answer(find: () => Promise<Operation> | Operation): Promise<Reply> {
  try {
    return { status: 200, headers: NO_STORE, body: describe(await find()) };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const what = error.details["operation"] as OperationProblem | undefined;
    if (what !== undefined) throw new ExecdRefusal(STATUSES[what], what, error.message);
    if ("idempotency" in error.details) throw new ExecdRefusal(409, "operation_conflict", error.message);
    throw error;
  }
}

function describe({ handle, kind, expiresAt }: Operation): {
  id: string;
  kind: OperationKind;
  state: "created";
  expires_at: string;
} {
  return { id: handle, kind, state: "created", expires_at: expiresAt.toISOString() };
}
