import { existsSync } from "node:fs";
import { join } from "node:path";
import { Option, type Command } from "commander";
import { readClientSettings } from "../../config/client.ts";
import { processEnvironment, readConfig } from "../../config/read.ts";
import { readCredentials } from "../../credentials.ts";
import { VERSION } from "../../version.ts";

/** What went wrong between here and the daemon, said to the person who asked. */
export class ClientError extends Error {
  override readonly name = "ClientError";
}

export interface ConnectionOptions {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly dataDir?: string;
}

export interface ClientOptions extends ConnectionOptions {
  readonly output: "text" | "json";
}

const MINTED_SECONDS = 60 * 60;

/** Gives a verb the options of every verb that talks to a daemon and tells what it heard. */
export function addClientOptions(command: Command): Command {
  return addConnectionOptions(command).addOption(
    new Option("-o, --output <FORMAT>", "text, or json for programs")
      .choices(["text", "json"])
      .default("text"),
  );
}

/** Which daemon, and how it knows us. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option("--url <URL>", "address of the daemon [SANDERLING_URL; default: http://127.0.0.1:7777]")
    .option(
      "--token-file <FILE>",
      "file with a token [SANDERLING_TOKEN_FILE, or the token in SANDERLING_TOKEN; on the daemon's own machine none is needed]",
    )
    .option("--data-dir <DIR>", "data directory of a daemon on this machine, to make a token with");
}

/** A daemon to talk to, and the token for it. */
export class Connection {
  readonly #url: string;
  readonly #token: string;

  private constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** @throws ConfigError for a bad address, ClientError when there is no token. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const { url, token } = readClientSettings(options);
    return new Connection(url, token ?? (await mintToken(url, options.dataDir)));
  }

  /**
   * One request, with what the daemon refuses told as it says it.
   * @throws ClientError
   */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    this.#identify((name, value) => headers.set(name, value));
    let response: Response;
    try {
      response = await fetch(this.#address(path), { ...init, headers });
    } catch (error) {
      throw new ClientError(`Cannot reach ${this.#url}: ${reasonOf(error)}`, { cause: error });
    }
    if (response.ok) return response;
    const text = await response.text();
    throw new ClientError(refusalOf(text) ?? `${path} answered ${response.status}`);
  }

  /** A request whose body and answer are JSON. @throws ClientError */
  async json<T>(path: string, method = "GET", body?: unknown): Promise<T> {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    const text = await (await this.fetch(path, init)).text();
    // The daemon's own OpenAPI document says what it is.
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** @throws ClientError when the handshake is refused. */
  async socket(path: string): Promise<WebSocket> {
    const headers: Record<string, string> = {};
    this.#identify((name, value) => (headers[name] = value));
    // Headers are Bun's own option, which the DOM's type does not have.
    const socket = new WebSocket(this.#address(path).replace(/^http/, "ws"), {
      headers,
    } as unknown as string[]);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new ClientError(`Cannot connect to ${this.#url}${path}`));
    }).catch(async (error: unknown) => {
      // The handshake's answer is not shown to us; the same request without it tells why.
      await this.fetch("/info");
      throw error;
    });
    socket.onerror = null;
    return socket;
  }

  #identify(set: (name: string, value: string) => void): void {
    set("authorization", `Bearer ${this.#token}`);
    set("user-agent", `sanderling/${VERSION}`);
  }

  #address(path: string): string {
    return this.#url.replace(/\/+$/, "") + path;
  }
}

/** On the daemon's own machine whoever may read its secret needs no token. */
async function mintToken(url: string, dataDir: string | undefined): Promise<string> {
  const missing = new ClientError(
    "No token: set SANDERLING_TOKEN or --token-file (`sanderling token` prints one on the daemon's machine)",
  );
  const { hostname } = new URL(url);
  if (!/^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) throw missing;
  const { settings } = readConfig({ flags: { dataDir }, environment: processEnvironment() });
  const isHere =
    settings.jwtSecret !== undefined || existsSync(join(settings.dataDir, "private", "jwt-secret"));
  if (!isHere) throw missing;
  const { jwtSecret: secret, sandboxId } = readCredentials(settings);
  if (secret === undefined) throw missing;
  // All of the daemon comes with it, which other calls need not wait for.
  const { createTokens } = await import("../../daemon.ts");
  return (await createTokens(settings, { secret, sandboxId }).mint(MINTED_SECONDS)).token;
}

function refusalOf(text: string): string | undefined {
  try {
    const body = JSON.parse(text) as { error?: unknown; message?: unknown };
    const words = body.error ?? body.message;
    return typeof words === "string" ? words : undefined;
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
