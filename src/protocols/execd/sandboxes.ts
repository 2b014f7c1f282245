import { z } from "zod";
import { route, type ExecdContext } from "./context.ts";
import { ExecdRefusal } from "./errors.ts";
import { errorBody } from "./files-schema.ts";
import { endpoint, endpointQuery, listQuery, sandboxInfo, sandboxPage } from "./sandbox-schema.ts";

/**
 * The sandbox's own entry: the client libraries first ask a lifecycle server where the sandbox is, and the daemon
 * answers that for itself (contracts/opensandbox-execd.md, 17). What creates sandboxes comes later.
 */
const params = z.object({ id: z.string() });
const portParams = z.object({ id: z.string(), port: z.coerce.number().int().min(1).max(65_535) });
const unauthorized = { 401: { description: "API key missing or wrong", schema: errorBody } } as const;
const notFound = {
  404: { description: "Not this sandbox's id", schema: errorBody },
  ...unauthorized,
} as const;
const refused = {
  403: { description: "This daemon is one sandbox", schema: errorBody },
  ...unauthorized,
} as const;
/** The port that the published images have the Execution API on; here it may be another. */
const EXECUTION_PORT = 44_772;

export const sandboxRoutes = [
  route({
    method: "GET",
    ...at("/sandboxes"),
    credential: "api_key",
    summary: "List sandboxes: this one",
    query: listQuery,
    responses: { 200: { description: "One sandbox", schema: sandboxPage }, ...unauthorized },
    handle: ({ query: { state, metadata, page, pageSize } }, _, context) => {
      const isAsked = metadata === undefined && (state === undefined || [state].flat().includes("Running"));
      const totalItems = isAsked ? 1 : 0;
      const items = isAsked && page === 1 ? [describe(context)] : [];
      const pagination = { page, pageSize, totalItems, totalPages: totalItems, hasNextPage: false };
      return { status: 200, body: { items, pagination } };
    },
  }),

  route({
    method: "GET",
    ...at("/sandboxes/{id}"),
    credential: "api_key",
    summary: "This sandbox",
    params,
    responses: { 200: { description: "The sandbox", schema: sandboxInfo }, ...notFound },
    handle: ({ params: { id } }, _, context) => {
      requireOwn(id, context);
      return { status: 200, body: describe(context) };
    },
  }),

  route({
    method: "GET",
    ...at("/sandboxes/{id}/endpoints/{port}"),
    credential: "api_key",
    summary: "Where a port of this sandbox is reached, and with which headers",
    params: portParams,
    query: endpointQuery,
    responses: { 200: { description: "The endpoint", schema: endpoint }, ...notFound, ...refused },
    handle: ({ params: { id, port }, query }, request, context) => {
      requireOwn(id, context);
      if (query.expires !== undefined) throw refusal("give out endpoints that expire", context);
      const host = request.raw.headers.get("host") ?? `127.0.0.1:${context.execdPort()}`;
      const isOwn = port === EXECUTION_PORT || port === context.execdPort();
      // Everything else in the sandbox is reached through the proxy, also where nothing listens (yet).
      const path = isOwn ? "" : `/proxy/${port}`;
      const headers = { "X-EXECD-ACCESS-TOKEN": context.accessToken };
      return { status: 200, body: { endpoint: host + path, headers } };
    },
  }),

  route({
    method: "POST",
    ...at("/sandboxes/{id}/resume"),
    credential: "api_key",
    summary: "Nothing to do: the sandbox runs",
    params,
    responses: { 202: { description: "It runs; no body" }, ...notFound },
    handle: ({ params: { id } }, _, context) => {
      requireOwn(id, context);
      return new Response(null, { status: 202, headers: { "Content-Length": "0" } });
    },
  }),

  route({
    method: "POST",
    ...at("/metrics/events"),
    credential: "api_key",
    summary: "What a client library measured; nothing is done with it",
    responses: { 204: { description: "Heard" }, ...unauthorized },
    handle: () => new Response(null, { status: 204 }),
  }),

  route({
    method: "GET",
    path: "/health",
    credential: "none",
    summary: "Whether the daemon answers, as lifecycle servers are asked",
    responses: { 200: { description: "It does", schema: z.object({ status: z.literal("healthy") }) } },
    handle: () => ({ status: 200, body: { status: "healthy" } }),
  }),

  ...refuse("POST", "/sandboxes", "create another sandbox"),
  ...refuse("DELETE", "/sandboxes/{id}", "end its own sandbox"),
  ...refuse("POST", "/sandboxes/{id}/pause", "pause its own sandbox"),
  ...refuse("POST", "/sandboxes/{id}/renew-expiration", "limit its sandbox's lifetime"),
  ...refuse("PATCH", "/sandboxes/{id}/metadata", "keep metadata of its sandbox"),
  ...refuse("POST", "/sandboxes/{id}/snapshots", "make snapshots"),
  ...["logs", "events"].flatMap((what) => [
    route({
      method: "GET",
      ...at(`/sandboxes/{id}/diagnostics/${what}`),
      credential: "api_key",
      summary: "Refused: a daemon has no diagnostics of its sandbox from outside",
      params,
      responses: { 501: { description: "Not from here", schema: errorBody }, ...notFound },
      handle: ({ params: { id } }, _, context) => {
        requireOwn(id, context);
        throw new ExecdRefusal(
          501,
          "DIAGNOSTICS_NOT_IMPLEMENTED",
          `Cannot give the ${what} of sandbox ${id}: the daemon inside it does not see them`,
        );
      },
    }),
  ]),
];

/** Client libraries ask below /v1; the reference server answers at its root too. */
function at(path: string) {
  return { path: `/v1${path}`, aliases: [path] };
}

function refuse(method: "POST" | "PATCH" | "DELETE", path: string, what: string) {
  return [
    route({
      method,
      ...at(path),
      credential: "api_key",
      summary: `Refused: a daemon does not ${what}`,
      responses: refused,
      handle: (_, __, context) => {
        throw refusal(what, context);
      },
    }),
  ];
}

function refusal(what: string, { sandboxId }: ExecdContext): ExecdRefusal {
  return new ExecdRefusal(
    403,
    "SANDBOX::API_NOT_SUPPORTED",
    `This daemon is the one sandbox ${sandboxId} and does not ${what}; connect to it by its id, ` +
      "and start or stop it where it was started",
  );
}

function requireOwn(id: string, { sandboxId }: ExecdContext): void {
  if (id === sandboxId) return;
  throw new ExecdRefusal(
    404,
    "SANDBOX::SANDBOX_NOT_FOUND",
    `Sandbox not found: ${id}; this daemon is the sandbox ${sandboxId}`,
  );
}

function describe({ engine, sandboxId }: ExecdContext) {
  return {
    id: sandboxId,
    status: { state: "Running" },
    // What runs as the sandbox, as far as its daemon can tell.
    entrypoint: ["sanderling", "serve"],
    createdAt: engine.startedAt.toISOString(),
    platform: { os: "linux", arch: process.arch === "x64" ? "amd64" : process.arch },
  };
}
