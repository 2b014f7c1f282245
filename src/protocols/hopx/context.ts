import type { Engine } from "../../engine/engine.ts";
import type { BrowserSessions } from "../../http/browser-sessions.ts";
import type { RequestStats } from "../../http/request-stats.ts";
import type { Tickets } from "../../http/tickets.ts";
import type { Tokens } from "../../http/tokens.ts";
import type { UrlSigner } from "../../http/url-signer.ts";
import { routesFor } from "../../http/route.ts";

/** What the handlers of the VM Agent API work with. */
export interface HopxContext {
  readonly engine: Engine;
  readonly tokens: Tokens;
  /** Stand-ins for tokens, for browsers. */
  readonly tickets: Tickets;
  /** Of browsers in which somebody has logged in. */
  readonly browserSessions: BrowserSessions;
  /** Of this API. */
  readonly requests: RequestStats;
  /** Connections that stay open, by their kind. */
  readonly streams: () => Readonly<Record<string, number>>;
  /** Every figure of the daemon in Prometheus' text format. */
  readonly prometheus: () => Promise<{ readonly contentType: string; readonly text: string }>;
  readonly apiKey: string;
  readonly sandboxId: string;
  readonly version: string;
  /** Address told to clients; undefined: the one they came by. */
  readonly publicUrl: string | undefined;
  readonly maxOutputBytes: number;
  readonly maxFileTextBytes: number;
  readonly maxUploadBytes: number;
  readonly maxArchiveEntries: number;
  readonly maxArchiveBytes: number;
  /** Makes and checks addresses that work without a token. */
  readonly urlSigner: UrlSigner;
  readonly cancelOnDisconnect: boolean;
  /** How long a run that may be resumed goes on when its last client has gone, in milliseconds. */
  readonly streamKeepMs: number;
  /** How long tokens last that the sandbox's own entry hands out. */
  readonly tokenTtlSeconds: number;
}

/**
 * The credentials a row of the table can ask for: `token` is a Bearer JWT (or the API key, which a client
 * library sends as long as it has no token), `ticket` that or a ticket made for this path, `api_key` the key of the
 * sandbox's own entry, `page` a token that a browser may also send as the password of HTTP Basic.
 */
export type Credential = "none" | "token" | "ticket" | "api_key" | "page";

export const route = routesFor<HopxContext>();
