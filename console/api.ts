import { signal } from "@preact/signals";

/** The public API, as the signed-in browser uses it. */

const KEY = "sanderling-console-key";
/** Of an answer that says nothing else. */
const TRY_AGAIN = "The sandbox did not say why.";

/** Whether a session is there as far as is known; `ended` asks for the token again and keeps the page. */
export const access = signal<"out" | "in" | "ended">(localStorage.getItem(KEY) === null ? "out" : "in");
/** Whether the daemon answers. */
export const online = signal(true);

export class ApiError extends Error {
  override readonly name = "ApiError";
  constructor(
    /** 0: no answer came. */
    readonly status: number,
    message: string,
    readonly body: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

interface CallOptions {
  readonly method?: string;
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** An address of this daemon, wherever it is mounted. */
export function address(path: string, query: Query = {}): URL {
  const url = new URL(path.replace(/^\//, ""), document.baseURI);
  url.search = "";
  url.hash = "";
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.set(name, String(value));
  return url;
}

/** Headers that every request of the session has. */
export function sessionHeaders(): Record<string, string> {
  return { "X-Console-Key": localStorage.getItem(KEY) ?? "" };
}

/** @throws ApiError when it was refused or no answer came. */
export async function call(path: string, options: CallOptions = {}): Promise<Response> {
  const { method = "GET", query, body, headers, signal: stop } = options;
  const response = await fetch(address(path, query), {
    method,
    headers: {
      Accept: "application/json",
      ...sessionHeaders(),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(stop ? { signal: stop } : {}),
  }).catch((error: unknown) => {
    if (stop?.aborted === true) throw error;
    online.value = false;
    throw new ApiError(0, "The sandbox cannot be reached.");
  });
  online.value = true;
  if (response.ok) return response;
  throw await refusal(response);
}

/** A caller names the part of the answer's published shape that it reads. */
export async function json<T>(path: string, options?: CallOptions): Promise<T> {
  return (await (await call(path, options)).json()) as T;
}

export async function refusal(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (response.status === 401 && access.value === "in") access.value = "ended";
  const text = typeof body["error"] === "string" ? body["error"] : TRY_AGAIN;
  return new ApiError(response.status, text, body);
}

/** The token is exchanged at once and kept nowhere. @throws ApiError when it is refused. */
export async function logIn(token: string): Promise<void> {
  const { key } = await json<{ key: string }>("console/session", { method: "POST", body: { token } });
  localStorage.setItem(KEY, key);
  access.value = "in";
}

export async function logOut(): Promise<void> {
  await call("console/session", { method: "DELETE" }).catch(() => undefined);
  localStorage.removeItem(KEY);
  // What was on the page is gone with it.
  location.reload();
}

/** Opens a WebSocket with a ticket that works once. @throws ApiError. */
export async function openSocket(
  path: string,
  { query = {}, viewOnly = false }: { query?: Record<string, string>; viewOnly?: boolean } = {},
): Promise<WebSocket> {
  const { ticket } = await json<{ ticket: string }>("tickets", {
    method: "POST",
    body: { path: `/${path}`, query, view_only: viewOnly },
  });
  const url = address(path, { ...query, ticket });
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(url);
}

/** Saves bytes as a file of the person's machine. */
export function save(name: string, content: Blob | string): void {
  const url = typeof content === "string" ? content : URL.createObjectURL(content);
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  if (typeof content !== "string") setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
