import type { Engine } from "../../engine/engine.ts";
import { routesFor } from "../../http/route.ts";
import type { Tokens } from "../../http/tokens.ts";

/** What the handlers of the Execution API work with. */
export interface ExecdContext {
  readonly engine: Engine;
  readonly accessToken: string;
  readonly apiKey: string;
  /** Of the VM Agent API, so that the proxy knows them. */
  readonly tokens: Tokens;
  /** The ports that this daemon itself listens on. */
  readonly ownPorts: ReadonlySet<number>;
  /** The port of this API. */
  readonly execdPort: () => number;
  readonly sandboxId: string;
  readonly version: string;
  readonly maxOutputBytes: number;
  /** How long runs go on when their last client has gone, in milliseconds; undefined: to their end. */
  readonly executionSurviveMs: number | undefined;
  readonly sessionSurviveMs: number;
  readonly sqlUrl: string | undefined;
  readonly maxUploadBytes: number;
}

/**
 * The credentials a row of the table can ask for: `token` is the access token (X-EXECD-ACCESS-TOKEN), `api_key`
 * the key of the sandbox's own entry (OPEN-SANDBOX-API-KEY), `page` the access token, which a browser may also send as
 * the password of HTTP Basic.
 */
export type Credential = "none" | "token" | "api_key" | "page";

export const route = routesFor<ExecdContext>();
