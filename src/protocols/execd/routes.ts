import { createApp, type RequestRecord } from "../../http/dispatch.ts";
import { HostPolicy } from "../../http/host-policy.ts";
import type { Fetch } from "../../http/listen.ts";
import type { Route } from "../../http/route.ts";
import { authenticate } from "./auth.ts";
import type { Credential, ExecdContext } from "./context.ts";
import { answerError } from "./errors.ts";
import { healthRoutes } from "./health.ts";
import { readQuery } from "./query.ts";

export interface ExecdOptions {
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly maxBodyBytes: number;
  record(record: RequestRecord): void;
}

/** The OpenSandbox Execution API as one application: its table of routes is the table of contents. */
export function createExecdApi(context: ExecdContext, options: ExecdOptions): Fetch {
  return createApp({
    ...options,
    routes: execdRoutes(),
    context,
    hosts: new HostPolicy(options),
    // Rows are written in this folder with the credentials of this folder.
    authenticate: (request, credential) => authenticate(request, credential as Credential, context),
    once: (_, __, work) => work(),
    readQuery,
    answerError,
  });
}

export function execdRoutes(): readonly Route<ExecdContext>[] {
  return [...healthRoutes];
}
