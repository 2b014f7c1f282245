import { Hono, type Context } from "hono";
import { cors } from "hono/cors";
import { withOrigin, type Origin } from "../lib/origin.ts";
import type { Api } from "./api.ts";
import { HttpFault } from "./fault.ts";
import { fingerprintOf, keyOf } from "./idempotency-key.ts";
import { readInput } from "./input.ts";
import type { Fetch } from "./listen.ts";
import { actionOf, MOST_CONCERNED, type RequestAction } from "./request-action.ts";
import { originOf } from "./request-origin.ts";
import type { Outcome, Reply, RequestInfo, Route, RouteInput } from "./route.ts";
import { Upgrade, WebSocketConnection, type Upgrader } from "./websocket.ts";

/** What the listener gives with each request. */
interface Bindings {
  readonly upgrade: Upgrader;
}
type HonoContext = Context<{ Bindings: Bindings }>;

/**
 * The one path every request takes: id, host, route, credential, input, handler, error, log line. A row of
 * the table gets all of it and cannot forget any.
 */
export function createApp<Context>(api: Api<Context>): Fetch {
  const app = new Hono<{ Bindings: Bindings }>();
  if (api.allowedOrigins.length > 0) {
    app.use(
      cors({ origin: [...api.allowedOrigins], exposeHeaders: ["X-Request-ID", "Idempotent-Replayed"] }),
    );
  }
  for (const route of api.routes) {
    for (const path of [route.path, ...(route.aliases ?? [])]) {
      const handle = (c: HonoContext) => serve(api, c, route.path, () => route);
      if (route.method === "ANY") app.all(toHonoPath(path), handle);
      else app.on(route.method, toHonoPath(path), handle);
    }
  }
  for (const [path, methods] of methodsByPath(api.routes)) {
    app.all(toHonoPath(path), (c) =>
      serve(api, c, path, () => {
        throw new HttpFault(
          "method_not_allowed",
          `Method ${c.req.method} is not allowed here; use ${methods.join(" or ")}`,
          {
            Allow: methods.join(", "),
          },
        );
      }),
    );
  }
  app.notFound((c) =>
    serve(api, c, "(none)", () => {
      throw new HttpFault("route_not_found", `There is no route ${c.req.method} ${c.req.path}`);
    }),
  );
  return (request, upgrade) => app.fetch(request, { upgrade });
}

function serve<Context>(
  api: Api<Context>,
  c: HonoContext,
  path: string,
  find: () => Route<Context>,
): Promise<Response> {
  const startedAt = Date.now();
  const started = performance.now();
  const requestId = requestIdOf(c.req.raw);
  const origin = originOf(c.req.raw, { api: api.name, requestId, sampler: api.sampler });
  const begun = { path, startedAt, started, requestId, origin, facts: {} };
  return withOrigin(origin, () => serveBegun(api, c, begun, find));
}

async function serveBegun<Context>(
  api: Api<Context>,
  c: HonoContext,
  begun: Begun,
  find: () => Route<Context>,
): Promise<Response> {
  const { path, startedAt, started, requestId, origin, facts } = begun;
  const concerned: string[] = [];
  const request: RequestInfo = {
    id: requestId,
    raw: c.req.raw,
    signal: c.req.raw.signal,
    note: (more) => void Object.assign(facts, more),
    concern: (path) => {
      if (concerned.length < MOST_CONCERNED) concerned.push(path);
    },
  };
  let response: Response;
  let fault: unknown;
  let act: ((outcome?: Outcome) => RequestAction) | undefined;
  let action: RequestAction | undefined;
  try {
    api.hosts.check(c.req.raw.headers);
    const route = find();
    await api.authenticate(c.req.raw, route.credential);
    const input = await readInput(api, route, c.req.raw, c.req.param());
    act = route.action && actionOf(route.action, input, c.req.raw, concerned);
    const reply = await answer(api, route, input, request);
    action = act?.(reply);
    if (reply instanceof Upgrade) return upgrade(api, c, reply, begun);
    response = reply instanceof Response ? reply : toResponse(reply);
  } catch (error) {
    const answer = api.answerError(error, c.req.raw, requestId);
    if (answer.isFault) fault = error;
    action = act?.();
    response = toResponse(answer);
  }
  response.headers.set("X-Request-ID", requestId);
  const ms = Math.round((performance.now() - started) * 100) / 100;
  const { method } = c.req;
  const record = { requestId, method, route: path, status: response.status, startedAt, ms, origin, facts };
  api.record({ ...record, ...(action && { action }), ...(fault === undefined ? {} : { error: fault }) });
  return response;
}

interface Begun {
  readonly path: string;
  /** Milliseconds since 1970, and on the clock that never jumps. */
  readonly startedAt: number;
  readonly started: number;
  readonly requestId: string;
  readonly origin: Origin;
  readonly facts: Record<string, string | number>;
}

/** Its log line is written when the connection ends, with its close code and how long it was open. */
function upgrade<Context>(
  api: Api<Context>,
  c: HonoContext,
  { serve, headers }: Upgrade,
  { path, startedAt, started, requestId, origin, facts }: Begun,
): Response {
  const run = async (connection: WebSocketConnection) => {
    const outcome = await serve(connection).then(
      () => ({}),
      (error: unknown) => ({ error }),
    );
    connection.close(
      "error" in outcome ? 1011 : 1000,
      "error" in outcome ? `Internal error ${requestId}` : "",
    );
    const { code } = await connection.closed;
    const ms = Math.round((performance.now() - started) * 100) / 100;
    const record = { requestId, method: c.req.method, route: path, status: 101, startedAt, ms, origin };
    api.record({ ...record, facts: { ...facts, close_code: code }, ...outcome });
  };
  const connection = new WebSocketConnection((opened) => void withOrigin(origin, () => run(opened)));
  const own = new Headers({ ...headers, "X-Request-ID": requestId });
  if (c.env.upgrade(c.req.raw, connection, own)) return new Response(null);
  throw new HttpFault("upgrade_required", "This route is a WebSocket: send a complete handshake");
}

async function answer<Context>(
  api: Api<Context>,
  route: Route<Context>,
  input: RouteInput<unknown, unknown, unknown>,
  request: RequestInfo,
): Promise<Outcome> {
  const key = route.idempotent === true ? keyOf(request.raw.headers) : undefined;
  if (key === undefined) return route.handle(input, request, api.context);
  const keyed = { key, fingerprint: fingerprintOf(route, input) };
  return api.once(keyed, request, async () => {
    // Whoever sends a key may come back for the answer, so the work does not end with the connection.
    const unhurried = { ...request, signal: new AbortController().signal };
    const reply = await route.handle(input, unhurried, api.context);
    if (reply instanceof Response || reply instanceof Upgrade)
      throw new TypeError(`${route.path} cannot be idempotent: it gives a stream`);
    return reply;
  });
}

function toResponse({ status, body, headers }: Reply): Response {
  return body === undefined
    ? new Response(null, { status, headers: { ...headers } })
    : Response.json(body, { status, headers: { ...headers } });
}

/** A caller's own id is kept, so that its logs and ours can be joined; anything odd is replaced. */
function requestIdOf(request: Request): string {
  const given = request.headers.get("x-request-id");
  return given !== null && /^[\w.:-]{1,128}$/.test(given) ? given : Bun.randomUUIDv7();
}

function methodsByPath<Context>(routes: readonly Route<Context>[]): Map<string, string[]> {
  const methods = new Map<string, string[]>();
  for (const { method, path, aliases = [] } of routes) {
    for (const one of method === "ANY" ? [] : [path, ...aliases]) {
      methods.set(one, [...(methods.get(one) ?? []), ...(method === "GET" ? ["GET", "HEAD"] : [method])]);
    }
  }
  return methods;
}

function toHonoPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ":$1");
}
