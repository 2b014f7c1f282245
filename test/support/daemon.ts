import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const READY_MS = 20_000;
/** By its path: a daemon may be given another PATH. */
const SETPRIV = Bun.which("setpriv") ?? "setpriv";

export const TEST_SECRET = "a secret that only tests know";
export const TEST_ACCESS_TOKEN = "an-access-token-that-only-tests-know";
export const TEST_API_KEY = "an-API-key-that-only-tests-know";

export interface TestDaemonOptions {
  /** Settings as environment variables, over the test's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Command that starts it; default: this checkout with this Bun. */
  readonly command?: readonly string[];
  /** With the product's own Python, which `make test` sets up, and its kernels. */
  readonly withPython?: boolean;
  /** False: in the caller's session, which gets the daemon's share of busy processors; default: true. */
  readonly isInOwnSession?: boolean;
}

/** A real daemon in a session of its own, with a workspace and a data directory of its own. It ends with the test. */
export class TestDaemon implements AsyncDisposable {
  private constructor(
    readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">,
    readonly url: string,
    /** Of the Execution API. */
    readonly execdUrl: string,
    readonly sandboxId: string,
    readonly token: string,
    readonly directory: string,
    readonly log: Promise<string>,
  ) {}

  static async start({
    env = {},
    command,
    withPython,
    isInOwnSession = true,
  }: TestDaemonOptions = {}): Promise<TestDaemon> {
    const directory = await mkdtemp(join(tmpdir(), "sanderling-test-"));
    if (withPython === true) {
      await mkdir(join(directory, "data"));
      for (const name of ["python", "kernels"])
        await symlink(join(ROOT, ".sanderling", name), join(directory, "data", name));
    }
    const variables = {
      ...process.env,
      SANDERLING_HOPX_PORT: "0",
      SANDERLING_EXECD_PORT: "0",
      SANDERLING_ACCESS_TOKEN: TEST_ACCESS_TOKEN,
      SANDERLING_DATA_DIR: join(directory, "data"),
      SANDERLING_WORKSPACE: join(directory, "workspace"),
      SANDERLING_JWT_SECRET: TEST_SECRET,
      SANDERLING_API_KEY: TEST_API_KEY,
      SANDERLING_LOG_FORMAT: "json",
      ...env,
    };
    const program = command ?? [process.execPath, join(ROOT, "src/main.ts")];
    const child = Bun.spawn(inOwnSession([...program, "serve", "--json"]), {
      env: variables,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      detached: isInOwnSession,
    });
    const log = new Response(child.stderr).text();
    const ready = JSON.parse(await firstLine(child.stdout, log)) as {
      hopx: { url: string };
      execd: { url: string };
      sandbox_id: string;
    };
    const { url } = ready.hopx;
    const refreshed = await fetch(`${url}/v1/sandboxes/${ready.sandbox_id}/token/refresh`, {
      method: "POST",
      headers: { "X-API-Key": variables.SANDERLING_API_KEY },
    });
    const { auth_token } = (await refreshed.json()) as { auth_token: string };
    return new TestDaemon(child, url, ready.execd.url, ready.sandbox_id, auth_token, directory, log);
  }

  get workspace(): string {
    return join(this.directory, "workspace");
  }

  /** A request with this daemon's token. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (!headers.has("authorization")) headers.set("authorization", `Bearer ${this.token}`);
    return fetch(this.url + path, { ...init, headers });
  }

  /** A request to the Execution API, with this daemon's access token. */
  execd(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (!headers.has("x-execd-access-token")) headers.set("x-execd-access-token", TEST_ACCESS_TOKEN);
    return fetch(this.execdUrl + path, { ...init, headers });
  }

  /** POSTs a value as JSON; the answer's body is read as JSON. */
  async post(
    path: string,
    body: unknown,
    init: RequestInit = {},
  ): Promise<{ status: number; body: Answer; headers: Headers }> {
    const response = await this.fetch(path, {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
      ...init,
      headers: {
        "content-type": "application/json",
        ...(init.headers as Record<string, string> | undefined),
      },
    });
    return { status: response.status, body: (await response.json()) as Answer, headers: response.headers };
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number> {
    this.child.kill(signal);
    return this.child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** What tests read of an answer; absent fields are undefined. */
export interface Answer {
  readonly success?: boolean;
  readonly stdout: string;
  readonly stderr: string;
  readonly exit_code: number;
  readonly execution_time: number;
  readonly error?: string;
  readonly message?: string;
  readonly code?: string;
  readonly request_id?: string;
  readonly path?: string;
  readonly timestamp?: string;
  readonly run_id: string;
  readonly language?: string;
  readonly pid?: number;
  readonly end: { readonly cause: string; readonly description: string; readonly signal?: string };
  readonly usage: Record<string, number | null>;
  readonly truncated?: {
    readonly stream: string;
    readonly total_bytes: number;
    readonly kept_bytes: number;
  }[];
  readonly [field: string]: unknown;
}

/**
 * What ends with the tests although its session is its own (`detached`). A daemon takes a larger share of the
 * processors for its session (own-share.ts): were it the tests' session too, what runs in them would get next to
 * nothing.
 */
export function inOwnSession(argv: readonly string[]): string[] {
  return [SETPRIV, "--pdeathsig", "TERM", ...argv];
}

async function firstLine(stream: ReadableStream<Uint8Array>, log: Promise<string>): Promise<string> {
  const deadline = AbortSignal.timeout(READY_MS);
  const late = Promise.withResolvers<never>();
  deadline.addEventListener("abort", () =>
    late.reject(new Error(`the daemon was not ready after ${READY_MS} ms`)),
  );
  const read = async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      text += decoder.decode(chunk, { stream: true });
      const end = text.indexOf("\n");
      if (end >= 0) return text.slice(0, end);
    }
    throw new Error(`the daemon ended before it was ready: ${await log}`);
  };
  return Promise.race([read(), late.promise]);
}
