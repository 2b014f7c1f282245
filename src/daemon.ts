import type { Config } from "./config/read.ts";
import { ConfigError } from "./config/read.ts";
import type { Settings } from "./config/settings.ts";
import { readCredentials, type Credentials } from "./credentials.ts";
import { Engine } from "./engine/engine.ts";
import { forbidInspection } from "./engine/process/libc.ts";
import { listen, type Listener } from "./http/listen.ts";
import type { RequestRecord } from "./http/dispatch.ts";
import { Tokens } from "./http/tokens.ts";
import { UrlSigner } from "./http/url-signer.ts";
import type { Log } from "./log.ts";
import { createHopxApi } from "./protocols/hopx/routes.ts";
import { VERSION } from "./version.ts";

/** Client libraries refresh a token with less than an hour left before every call (contracts, 13.4). */
export const TOKEN_TTL_SECONDS = 7 * 24 * 60 * 60;

/** A running daemon: the engine and one listener for each protocol. */
export class Daemon implements AsyncDisposable {
  readonly engine: Engine;
  readonly credentials: Credentials;
  readonly tokens: Tokens;
  readonly hopx: Listener;
  readonly #settings: Settings;
  readonly #log: Log;

  /** @throws ConfigError or EngineError when it cannot start as configured; nothing is left open then. */
  constructor({ settings, inheritedEnvironment }: Config, log: Log) {
    refuseOpenDoor(settings);
    forbidInspection();
    this.#settings = settings;
    this.#log = log;
    this.credentials = readCredentials(settings);
    const { jwtSecret: secret, apiKey, sandboxId, urlSecret } = this.credentials;
    this.tokens = createTokens(settings, { secret, sandboxId });
    this.engine = new Engine({
      ...settings,
      dataDirectory: settings.dataDir,
      inheritedEnvironment,
      programs: settings.python === undefined ? {} : { python: settings.python },
      onNotice: (notice, details) => log.warn({ ...details }, notice),
    });
    const hopx = createHopxApi(
      {
        ...settings,
        engine: this.engine,
        tokens: this.tokens,
        apiKey,
        sandboxId,
        urlSigner: new UrlSigner(urlSecret, sandboxId),
        version: VERSION,
        tokenTtlSeconds: TOKEN_TTL_SECONDS,
      },
      { ...settings, record: (record) => this.#record("hopx", record) },
    );
    this.hopx = listen(settings.host, settings.hopxPort, hopx.fetch);
  }

  /**
   * Ends in order: no new work, a bounded time for what runs, its true end told to its client, then the rest.
   * @param hurry Aborted when there is no time for that.
   */
  async stop(hurry: AbortSignal): Promise<void> {
    const answered = this.hopx.drain();
    await this.engine.runs.drain(this.#settings.shutdownGraceMs, hurry);
    await this.engine.webhooks.settle(AbortSignal.any([AbortSignal.timeout(2000), hurry]));
    await Promise.race([answered, expired(1000), aborted(hurry)]);
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hopx.close();
    await this.engine[Symbol.asyncDispose]();
  }

  #record(api: string, { facts, error, ...record }: RequestRecord): void {
    const line = { api, ...record, ...facts };
    if (error === undefined) this.#log.info(line, "request");
    else this.#log.error({ ...line, error: explain(error) }, "request failed: a fault of the daemon");
  }
}

/** The tokens that a daemon with these settings accepts and issues. */
export function createTokens(
  settings: Settings,
  { secret, sandboxId }: { readonly secret: string | undefined; readonly sandboxId: string },
): Tokens {
  return new Tokens({
    secret,
    sandboxId,
    publicKey: settings.jwtPublicKey,
    audience: settings.jwtAudience,
    requireSandboxId: settings.jwtRequireSandboxId,
  });
}

/** Whoever can reach the port can run code, so a wider door needs a key that somebody chose. */
function refuseOpenDoor({ host, jwtSecret, jwtPublicKey }: Settings): void {
  const isLoopback = host === "localhost" || host === "::1" || host.startsWith("127.");
  if (isLoopback || jwtSecret !== undefined || jwtPublicKey !== undefined) return;
  throw new ConfigError(
    `Refusing to listen on ${host}, beyond this machine, without a credential: set SANDERLING_JWT_SECRET ` +
      "(or SANDERLING_JWT_SECRET_FILE, or SANDERLING_JWT_PUBLIC_KEY)",
  );
}

function explain(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function expired(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
