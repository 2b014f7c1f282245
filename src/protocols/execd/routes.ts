import type { RequestRecord } from "../../http/api.ts";
import { createApp } from "../../http/dispatch.ts";
import { HostPolicy } from "../../http/host-policy.ts";
import type { Fetch } from "../../http/listen.ts";
import type { Route } from "../../http/route.ts";
import type { Sampler } from "../../lib/trace-context.ts";
import { authenticate } from "./auth.ts";
import { codeRoutes } from "./code.ts";
import { commandRoutes } from "./commands.ts";
import { oneCommandRoutes } from "./command-one.ts";
import type { Credential, ExecdContext } from "./context.ts";
import { contextRoutes } from "./contexts.ts";
import { answerError } from "./errors.ts";
import { healthRoutes } from "./health.ts";
import { isolatedFileRoutes } from "./isolated-files.ts";
import { isolatedRunRoutes } from "./isolated-runs.ts";
import { isolatedRoutes } from "./isolated.ts";
import { parseLeniently } from "./json.ts";
import { metricsRoutes } from "./metrics.ts";
import { allFileRoutes } from "./mounts.ts";
import { operationRoutes } from "./operations.ts";
import { proxyRoutes } from "./proxy.ts";
import { interruptRoutes } from "./interrupt.ts";
import { ptyRoutes } from "./pty.ts";
import { readQuery } from "./query.ts";
import { recorded } from "./recorded.ts";
import { describeExecd, referenceRoutes } from "./reference.ts";
import { sandboxRoutes } from "./sandboxes.ts";
import { sessionRoutes } from "./sessions.ts";

export interface ExecdOptions {
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly maxBodyBytes: number;
  readonly sampler: Sampler | undefined;
  record(record: RequestRecord): void;
}

/** The OpenSandbox Execution API as one application: its table of routes is the table of contents. */
export function createExecdApi(context: ExecdContext, options: ExecdOptions): Fetch {
  const app = createApp({
    ...options,
    name: "execd",
    routes: execdRoutes(),
    context,
    hosts: new HostPolicy(options),
    // Rows are written in this folder with the credentials of this folder.
    authenticate: (request, credential) => authenticate(request, credential as Credential, context),
    once: (_, __, work) => work(),
    readQuery,
    parseJson: parseLeniently,
    answerError,
  });
  return (request, upgrade) => withoutLastSlash(request) ?? app(request, upgrade);
}

/** As the reference server, which sends clients to the path without it (contracts/opensandbox-execd.md, 1.1). */
function withoutLastSlash({ method, url }: Request): Response | undefined {
  const { pathname, search } = new URL(url);
  if (pathname === "/" || !pathname.endsWith("/") || pathname.startsWith("/proxy/")) return undefined;
  // A path that begins with two slashes would be another host's.
  const path = `/${pathname.replace(/^\/+|\/+$/g, "")}`;
  return new Response(null, {
    status: method === "GET" ? 301 : 307,
    headers: { Location: path + search, "Content-Length": "0" },
  });
}

export function execdRoutes(): readonly Route<ExecdContext>[] {
  const api = recorded([
    ...healthRoutes,
    ...commandRoutes,
    ...interruptRoutes,
    ...oneCommandRoutes,
    ...operationRoutes,
    ...sessionRoutes,
    ...codeRoutes,
    ...contextRoutes,
    ...sandboxRoutes,
    ...ptyRoutes,
    ...allFileRoutes,
    ...proxyRoutes,
    ...metricsRoutes,
    ...isolatedRoutes,
    ...isolatedRunRoutes,
    ...isolatedFileRoutes,
  ]);
  return [...api, ...referenceRoutes(api)];
}

/** The OpenAPI document of this API. */
export function describeExecdApi(version: string): Promise<object> {
  return describeExecd(execdRoutes(), version);
}
