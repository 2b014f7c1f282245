import type { Engine } from "../../engine/engine.ts";
import { routesFor } from "../../http/route.ts";

/** What the handlers of the Execution API work with. */
export interface ExecdContext {
  readonly engine: Engine;
  readonly accessToken: string;
  readonly apiKey: string;
  readonly sandboxId: string;
  readonly version: string;
  readonly maxOutputBytes: number;
  readonly maxUploadBytes: number;
}

/**
 * The credentials a row of the table can ask for: `token` is the access token (X-EXECD-ACCESS-TOKEN), `api_key`
 * the key of the sandbox's own entry (OPEN-SANDBOX-API-KEY).
 */
export type Credential = "none" | "token" | "api_key";

export const route = routesFor<ExecdContext>();
