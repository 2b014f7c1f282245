import { statfsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { z } from "zod";
import { route, type HopxContext } from "./context.ts";
import { HopxRefusal } from "./errors.ts";
import { errorBody, sandbox, sandboxList, token } from "./schema.ts";

/**
 * The sandbox's own entry: the client libraries first ask a control plane where the agent is, and the daemon
 * answers that for itself (contracts/hopx-agent.md, 13). A control plane that creates sandboxes comes later.
 */
const MIB = 1024 * 1024;
const params = z.object({ id: z.string() });
const refused = { 403: { description: "This daemon is one sandbox", schema: errorBody } };
const notFound = { 404: { description: "Not this sandbox's id", schema: errorBody } };

export const sandboxRoutes = [
  route({
    method: "GET",
    path: "/v1/sandboxes",
    credential: "api_key",
    summary: "List sandboxes: this one",
    query: z.object({
      status: z.string().optional(),
      limit: z.coerce.number().int().min(1).max(1000).optional(),
    }),
    responses: { 200: { description: "One sandbox", schema: sandboxList } },
    handle: ({ query }, request, context) => ({
      status: 200,
      body: {
        object: "list",
        data:
          query.status === undefined || query.status === "running"
            ? [describe(request.raw, request.id, context)]
            : [],
        has_more: false,
        next_cursor: null,
        url: "/v1/sandboxes",
        request_id: request.id,
      },
    }),
  }),

  route({
    method: "GET",
    path: "/v1/sandboxes/{id}",
    credential: "api_key",
    summary: "Where this sandbox is reached",
    params,
    responses: { 200: { description: "The sandbox", schema: sandbox }, ...notFound },
    handle: ({ params: { id } }, request, context) => {
      requireOwn(id, context);
      return { status: 200, body: describe(request.raw, request.id, context) };
    },
  }),

  route({
    method: "POST",
    path: "/v1/sandboxes/{id}/token/refresh",
    credential: "api_key",
    summary: "A new token for this sandbox; older ones stay valid",
    params,
    responses: { 200: { description: "The token", schema: token }, ...notFound, ...refused },
    handle: async ({ params: { id } }, _, context) => {
      requireOwn(id, context);
      if (!context.tokens.canMint) {
        throw new HopxRefusal(
          403,
          "FORBIDDEN",
          "Tokens of this daemon are issued elsewhere: it only has a public key",
        );
      }
      const { token, expiresAt } = await context.tokens.mint(context.tokenTtlSeconds);
      return { status: 200, body: { auth_token: token, token_expires_at: toSecond(expiresAt) } };
    },
  }),

  // An empty body is what the client libraries send to resume; a sandbox that runs is what they want.
  route({
    method: "POST",
    path: "/v1/sandboxes/{id}/resume",
    credential: "api_key",
    summary: "Answers that the sandbox runs",
    params,
    responses: { 200: { description: "The sandbox", schema: sandbox }, ...notFound },
    handle: ({ params: { id } }, request, context) => {
      requireOwn(id, context);
      return { status: 200, body: describe(request.raw, request.id, context) };
    },
  }),

  ...refuse("POST", "/v1/sandboxes", "create another sandbox"),
  ...refuse("DELETE", "/v1/sandboxes/{id}", "delete its own sandbox"),
  ...refuse("PUT", "/v1/sandboxes/{id}/timeout", "limit its sandbox's lifetime"),
  ...["pause", "stop", "start", "kill"].flatMap((verb) =>
    refuse("POST", `/v1/sandboxes/{id}/${verb}`, `${verb} its own sandbox`),
  ),
];

/** In a status that no client sends again: trying later cannot help. */
function refuse(method: "POST" | "PUT" | "DELETE", path: string, what: string) {
  return [
    route({
      method,
      path,
      credential: "api_key",
      summary: `Refused: a daemon does not ${what}`,
      responses: refused,
      handle: (_, __, { sandboxId }) => {
        throw new HopxRefusal(
          403,
          "FORBIDDEN",
          `This daemon is the one sandbox ${sandboxId} and does not ${what}; connect to it with Sandbox.connect("${sandboxId}"), ` +
            "and start or stop it where it was started",
        );
      },
    }),
  ];
}

function requireOwn(id: string, { sandboxId }: HopxContext): void {
  if (id === sandboxId) return;
  throw new HopxRefusal(
    404,
    "RESOURCE_NOT_FOUND",
    `Sandbox not found: ${id}; this daemon is the sandbox ${sandboxId}`,
  );
}

function describe(request: Request, requestId: string, { engine, sandboxId, publicUrl }: HopxContext) {
  const address =
    publicUrl ?? `${new URL(request.url).protocol}//${request.headers.get("host") ?? "localhost"}`;
  const disk = statfsSync(engine.workspace.path);
  return {
    object: "sandbox",
    id: sandboxId,
    sandbox_id: sandboxId,
    status: "running",
    public_host: address,
    direct_url: address,
    // A number, because the Python library's model refuses anything else (13.2).
    organization_id: 0,
    template_id: null,
    template_name: null,
    region: null,
    resources: {
      vcpu: availableParallelism(),
      memory_mb: Math.max(1, Math.floor(totalmem() / MIB)),
      disk_mb: Math.max(1, Math.floor((disk.blocks * disk.bsize) / MIB)),
    },
    internet_access: true,
    timeout_seconds: null,
    created_at: toSecond(engine.startedAt),
    expires_at: null,
    request_id: requestId,
  };
}

/** RFC 3339 without fractions, which some clients cannot read (13.2). */
function toSecond(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}
