import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { EngineError } from "../error.ts";
import { retryAfterMs } from "./backoff.ts";
import { allowedAddresses, type Address, type TargetKind } from "./targets.ts";

/** What became of one attempt to deliver. `status` is null when there was no answer. */
export type AttemptResult =
  | { readonly verdict: "delivered"; readonly status: number }
  | {
      readonly verdict: "again";
      readonly status: number | null;
      readonly error: string;
      readonly retryAfterMs?: number | undefined;
    }
  | { readonly verdict: "refused"; readonly status: number | null; readonly error: string };

export interface Attempt {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly targets: readonly TargetKind[];
  /** For everything from looking up the name to the answer's status. */
  readonly timeoutMs: number;
  /** Aborted when the queue is taken down. */
  readonly life: AbortSignal;
}

/** POSTs once. The answer's status and Retry-After are all that is read of it. */
export async function attemptDelivery(attempt: Attempt): Promise<AttemptResult> {
  const timeout = AbortSignal.timeout(attempt.timeoutMs);
  const signal = AbortSignal.any([timeout, attempt.life]);
  try {
    const url = new URL(attempt.url);
    const addresses = await Promise.race([allowedAddresses(url, attempt.targets), aborted(signal)]);
    return judge(await postToAny(url, addresses, attempt, signal));
  } catch (error) {
    if (error instanceof EngineError) return { verdict: "refused", status: null, error: error.message };
    const late = timeout.aborted && !attempt.life.aborted;
    return { verdict: "again", status: null, error: late ? lateText(attempt.timeoutMs) : reasonOf(error) };
  }
}

/** Bodies are not read, however long they are: the connection is closed. */
function judge(response: IncomingMessage): AttemptResult {
  const status = response.statusCode ?? 0;
  response.destroy();
  if (status >= 200 && status < 300) return { verdict: "delivered", status };
  const error = `answered ${status}`;
  if (status === 408 || status === 429 || status >= 500) {
    return { verdict: "again", status, error, retryAfterMs: retryAfterMs(response.headers["retry-after"]) };
  }
  const isRedirect = status >= 300 && status < 400;
  return { verdict: "refused", status, error: isRedirect ? `${error}: redirects are not followed` : error };
}

/** The next address is tried when one cannot be reached, as every client does. */
async function postToAny(
  url: URL,
  addresses: readonly Address[],
  attempt: Attempt,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  let failure: unknown;
  for (const address of addresses) {
    try {
      return await post(url, address, attempt, signal);
    } catch (error) {
      failure = error;
      if (signal.aborted) break;
    }
  }
  throw failure;
}

/**
 * Connects to the very address that was checked; name and certificate stay those of the URL. Not `fetch`: that
 * goes through the proxy of the environment, which would look the name up again.
 */
function post(url: URL, { address, family }: Address, attempt: Attempt, signal: AbortSignal) {
  const isSecure = url.protocol === "https:";
  const name = url.hostname.replace(/^\[|\]$/g, "");
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = (isSecure ? https : http).request(
    {
      host: address,
      family,
      port: url.port === "" ? (isSecure ? 443 : 80) : Number(url.port),
      method: "POST",
      path: url.pathname + url.search,
      headers: { ...attempt.headers, Host: url.host, "Content-Length": Buffer.byteLength(attempt.body) },
      agent: false,
      signal,
      ...(isSecure && isIP(name) === 0 ? { servername: name } : {}),
    },
    resolve,
  );
  request.on("error", reject);
  request.end(attempt.body);
  return promise;
}

function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const fail = () => reject(new Error("aborted"));
  if (signal.aborted) fail();
  signal.addEventListener("abort", fail, { once: true });
  promise.catch(() => undefined);
  return promise;
}

function lateText(ms: number): string {
  return `no answer within ${ms / 1000} s`;
}

/** The word for a failed connection; messages may name the address with its query, which may be a secret. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return error instanceof Error ? error.name : String(error);
}
