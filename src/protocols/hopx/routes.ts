import type { RequestRecord } from "../../http/api.ts";
import { createApp } from "../../http/dispatch.ts";
import type { Fetch } from "../../http/listen.ts";
import { HostPolicy } from "../../http/host-policy.ts";
import { describeApi } from "../../http/openapi.ts";
import { referenceFiles } from "../../http/reference-page.ts";
import type { Route } from "../../http/route.ts";
import type { Sampler } from "../../lib/trace-context.ts";
import { aboutRoutes, AGENT_NAME } from "./about.ts";
import { asyncRoutes, deliverLost } from "./async.ts";
import { authenticate } from "./auth.ts";
import { route, type Credential, type HopxContext } from "./context.ts";
import { consoleRoutes } from "./console.ts";
import { cacheRoutes } from "./cache.ts";
import { desktopRoutes } from "./desktop.ts";
import { envRoutes } from "./env.ts";
import { answerError } from "./errors.ts";
import { backgroundRoutes } from "./background.ts";
import { oneBackgroundRoutes } from "./background-one.ts";
import { executeRoutes } from "./execute.ts";
import { ipythonRoutes } from "./ipython.ts";
import { jupyterRoutes } from "./jupyter.ts";
import { richRoutes } from "./rich.ts";
import { answerOnce } from "./once.ts";
import { fileRoutes } from "./files.ts";
import { filesMoreRoutes } from "./files-more.ts";
import { healthRoutes } from "./health.ts";
import { killRoutes } from "./kill.ts";
import { metricsRoutes } from "./metrics.ts";
import { prometheusRoutes } from "./prometheus.ts";
import { readQuery } from "./query.ts";
import { recorded } from "./recorded.ts";
import { sandboxRoutes } from "./sandboxes.ts";
import { anyObject } from "./schema.ts";
import { streamRoutes } from "./stream.ts";
import { systemProcessRoutes } from "./system-processes.ts";
import { terminalRoutes } from "./terminal.ts";
import { terminalSessionRoutes } from "./terminal-sessions.ts";
import { timelineRoutes } from "./timeline.ts";
import { ticketRoutes } from "./tickets.ts";
import { watchRoutes } from "./watch.ts";

export interface HopxOptions {
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly maxBodyBytes: number;
  readonly sampler: Sampler | undefined;
  record(record: RequestRecord): void;
}

/** The HopX VM Agent API as one application: its table of routes is the table of contents. */
export function createHopxApi(context: HopxContext, options: HopxOptions): Fetch {
  deliverLost(context.engine.webhooks);
  return createApp({
    ...options,
    name: "hopx",
    routes: hopxRoutes(context.version),
    context,
    hosts: new HostPolicy(options),
    // Rows are written in this folder with the credentials of this folder.
    authenticate: (request, credential) => authenticate(request, credential as Credential, context),
    once: (keyed, request, work) => answerOnce(keyed, request, work, context),
    readQuery,
    parseJson: (text): unknown => JSON.parse(text),
    answerError,
  });
}

export function hopxRoutes(version: string): readonly Route<HopxContext>[] {
  const api: readonly Route<HopxContext>[] = [
    ...executeRoutes,
    ...richRoutes,
    ...ipythonRoutes,
    ...jupyterRoutes,
    ...asyncRoutes,
    ...backgroundRoutes,
    ...oneBackgroundRoutes,
    ...killRoutes,
    ...metricsRoutes,
    ...systemProcessRoutes,
    ...streamRoutes,
    ...watchRoutes,
    ...terminalRoutes,
    ...terminalSessionRoutes,
    ...envRoutes,
    ...cacheRoutes,
    ...fileRoutes,
    ...filesMoreRoutes,
    ...desktopRoutes,
    ...aboutRoutes(() => endpointsOf(api)),
    ...ticketRoutes(() => api),
    ...healthRoutes,
    ...prometheusRoutes,
    ...timelineRoutes,
    ...sandboxRoutes,
    ...consoleRoutes,
  ];
  return [...recorded(api), ...documentRoutes(api, version)];
}

/** The OpenAPI document of the API proper, without the routes that serve documents. */
export function describeHopxApi(version: string): Promise<object> {
  return describe(
    hopxRoutes(version).filter(({ credential }) => credential !== "page"),
    version,
  );
}

function describe(routes: readonly Route<HopxContext>[], version: string): Promise<object> {
  return describeApi(routes, {
    title: AGENT_NAME,
    version,
    description: "The HopX VM Agent API, served by Sanderling.",
    securitySchemes: {
      token: { name: "token", scheme: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
      ticket: { name: "token", scheme: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
      api_key: { name: "apiKey", scheme: { type: "apiKey", in: "header", name: "X-API-Key" } },
    },
  });
}

function documentRoutes(api: readonly Route<HopxContext>[], version: string): Route<HopxContext>[] {
  let document: Promise<object> | undefined;
  return [
    route({
      method: "GET",
      path: "/openapi.json",
      credential: "page",
      summary: "The OpenAPI document of this API",
      responses: { 200: { description: "OpenAPI 3.1", schema: anyObject } },
      handle: async () => ({ status: 200, body: await (document ??= describe(api, version)) }),
    }),
    ...referenceFiles(AGENT_NAME).map(({ path, summary, response }) =>
      route({
        method: "GET",
        path,
        credential: "page",
        summary,
        responses: { 200: { description: "A file" } },
        handle: response,
      }),
    ),
  ];
}

/** For example `post_commands_run` is "POST /commands/run". Rows that only refuse are left out. */
function endpointsOf(routes: readonly Route<HopxContext>[]): Record<string, string> {
  const useful = routes.filter(({ responses }) => 200 in responses);
  const name = ({ method, path }: Route<HopxContext>) =>
    [method.toLowerCase(), ...path.replace(/[{}]/g, "").split("/").filter(Boolean)].join("_");
  return Object.fromEntries(useful.map((row) => [name(row), `${row.method} ${row.path}`]));
}
