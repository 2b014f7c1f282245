import type { Config } from "./config/read.ts";
import { ConfigError } from "./config/read.ts";
import type { Settings } from "./config/settings.ts";
import { readCredentials, type Credentials } from "./credentials.ts";
import { Engine } from "./engine/engine.ts";
import { ENVIRONMENT_FILE_VARIABLE } from "./engine/environment-file.ts";
import { forbidInspection } from "./engine/process/libc.ts";
import { favourOwnSession } from "./engine/process/own-share.ts";
import { BrowserSessions } from "./http/browser-sessions.ts";
import { listen, type Fetch, type Listener } from "./http/listen.ts";
import type { RequestRecord } from "./http/api.ts";
import { openEventStreams } from "./http/event-stream.ts";
import { RequestStats } from "./http/request-stats.ts";
import { Tickets } from "./http/tickets.ts";
import { Tokens } from "./http/tokens.ts";
import { UrlSigner } from "./http/url-signer.ts";
import type { Log } from "./log.ts";
import { Observability } from "./observability/observability.ts";
import { createExecdApi } from "./protocols/execd/routes.ts";
import { createHopxApi } from "./protocols/hopx/routes.ts";
import { VERSION } from "./version.ts";

/** Client libraries refresh a token with less than an hour left before every call (contracts, 13.4). */
export const TOKEN_TTL_SECONDS = 7 * 24 * 60 * 60;

/** A running daemon: the engine and one listener for each protocol. */
export class Daemon implements AsyncDisposable {
  private constructor(
    readonly settings: Settings,
    readonly credentials: Credentials,
    readonly tokens: Tokens,
    readonly engine: Engine,
    readonly observability: Observability,
    readonly share: Disposable,
    readonly hopx: Listener,
    readonly execd: Listener,
  ) {}

  /** @throws ConfigError or EngineError when it cannot start as configured; nothing is left open then. */
  static async start({ settings, inheritedEnvironment, telemetry }: Config, log: Log): Promise<Daemon> {
    refuseOpenDoor(settings);
    forbidInspection();
    const credentials = readCredentials(settings);
    const { jwtSecret: secret, apiKey, accessToken, sandboxId, urlSecret } = credentials;
    const tokens = createTokens(settings, { secret, sandboxId });
    await using resources = new AsyncDisposableStack();
    const share = resources.use(favourOwnSession());
    const engine = resources.use(
      new Engine({
        ...settings,
        dataDirectory: settings.dataDir,
        inheritedEnvironment,
        environmentFile: settings.environmentFile ?? inheritedEnvironment[ENVIRONMENT_FILE_VARIABLE],
        programs: settings.python === undefined ? {} : { python: settings.python },
        onNotice: (notice, details) => log.warn({ ...details }, notice),
      }),
    );
    const onNotice = (notice: string, details?: object) => log.warn({ ...details }, notice);
    const streams = () => ({
      websocket: hopxListener.openSockets + execdListener.openSockets,
      event_stream: openEventStreams(),
    });
    const observability = resources.use(
      new Observability({ engine, version: VERSION, sandboxId, telemetry, streams, onNotice }),
    );
    const { sampler } = observability;
    const urlSigner = new UrlSigner(urlSecret, sandboxId);
    const shared = {
      ...settings,
      engine,
      tokens,
      apiKey,
      accessToken,
      sandboxId,
      urlSigner,
      version: VERSION,
    };
    const requests = new RequestStats();
    const hopx = createHopxApi(
      {
        ...shared,
        requests,
        streams,
        prometheus: () => observability.prometheus(),
        tickets: new Tickets(),
        browserSessions: new BrowserSessions(sandboxId),
        tokenTtlSeconds: TOKEN_TTL_SECONDS,
      },
      { ...settings, sampler, record: recorder("hopx", log, observability, requests) },
    );
    const ownPorts = new Set<number>();
    const execdPort = () => execdListener.port;
    const execd = createExecdApi(
      { ...shared, ownPorts, execdPort },
      { ...settings, sampler, record: recorder("execd", log, observability) },
    );
    const open = (port: number, fetch: Fetch) =>
      resources.adopt(listen(settings.host, port, fetch), (listener) => listener.close());
    const hopxListener = open(settings.hopxPort, hopx);
    const execdListener = open(settings.execdPort, execd);
    for (const { port } of [hopxListener, execdListener]) ownPorts.add(port);
    const daemon = new Daemon(
      settings,
      credentials,
      tokens,
      engine,
      observability,
      share,
      hopxListener,
      execdListener,
    );
    if (settings.desktopAutostart) startDesktop(engine, log);
    // Nothing can fail any more: the daemon owns them now.
    resources.move();
    engine.warm.start();
    return daemon;
  }

  /**
   * Ends in order: no new work, a bounded time for what runs, its true end told to its client, then the rest.
   * @param hurry Aborted when there is no time for that.
   */
  async stop(hurry: AbortSignal): Promise<void> {
    const answered = Promise.all([this.hopx.drain(), this.execd.drain()]);
    await this.engine.drain(this.settings.shutdownGraceMs, hurry);
    this.hopx.closeSockets();
    this.execd.closeSockets();
    await this.engine.webhooks.settle(AbortSignal.any([AbortSignal.timeout(2000), hurry]));
    await Promise.race([answered, expired(1000), aborted(hurry)]);
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.hopx.close(), this.execd.close()]);
    // Before the engine, whose figures it exports a last time.
    await this.observability[Symbol.asyncDispose]();
    await this.engine[Symbol.asyncDispose]();
    this.share[Symbol.dispose]();
  }
}

/** Writes the one log line of each request; a fault of ours with its cause. */
function recorder(
  api: string,
  log: Log,
  observability: Observability,
  stats?: RequestStats,
): (record: RequestRecord) => void {
  return (record) => {
    const { requestId, method, route, status, ms, origin, facts, error } = record;
    stats?.add(record);
    observability.request(record);
    const traceId = origin.trace?.traceId;
    const line = { api, requestId, method, route, status, ms, ...facts, ...(traceId && { traceId }) };
    if (error === undefined) log.info(line, "request");
    else log.error({ ...line, error: explain(error) }, "request failed: a fault of the daemon");
  };
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
  const isLoopback = host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
  if (isLoopback || jwtSecret !== undefined || jwtPublicKey !== undefined) return;
  throw new ConfigError(
    `Refusing to listen on ${host}, beyond this machine, without a credential: set SANDERLING_JWT_SECRET ` +
      "(or SANDERLING_JWT_SECRET_FILE, or SANDERLING_JWT_PUBLIC_KEY)",
  );
}

/** In the background: a daemon without a desktop is still of use, and each call says what is missing. */
function startDesktop(engine: Engine, log: Log): void {
  engine.desktop
    .use()
    .catch((error: unknown) => log.warn({ error: explain(error) }, "the desktop did not start"));
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
