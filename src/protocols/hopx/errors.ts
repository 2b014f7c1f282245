import { EngineError, type EngineErrorCode } from "../../engine/error.ts";
import { HttpFault, type HttpFaultKind } from "../../http/fault.ts";
import type { Reply } from "../../http/route.ts";
import { currentOrigin } from "../../lib/origin.ts";

/** Status and code word of everything that can be refused or go wrong. The only place that picks either. */
interface Answer {
  readonly status: number;
  readonly code: string;
  /** Added to the body, beside the common fields. */
  readonly retryAfterSeconds?: number;
}

/** Words that no client library chokes on (contracts/hopx-agent.md, 2.4 and 14.17). */
const ENGINE_ANSWERS: Readonly<Record<EngineErrorCode, Answer>> = {
  invalid: { status: 400, code: "INVALID_REQUEST" },
  not_found: { status: 404, code: "RESOURCE_NOT_FOUND" },
  exists: { status: 409, code: "CONFLICT" },
  conflict: { status: 409, code: "CONFLICT" },
  denied: { status: 403, code: "FORBIDDEN" },
  changed: { status: 412, code: "CONFLICT" },
  busy: { status: 429, code: "RATE_LIMIT_EXCEEDED", retryAfterSeconds: 1 },
  // Not 410: a client library would report the whole sandbox as expired.
  gone: { status: 404, code: "RESOURCE_NOT_FOUND" },
  too_large: { status: 413, code: "INVALID_REQUEST" },
  // Not 501: it would be sent again twice, and cannot succeed.
  unsupported: { status: 400, code: "INVALID_REQUEST" },
  unavailable: { status: 503, code: "SERVICE_UNAVAILABLE", retryAfterSeconds: 1 },
  internal: { status: 500, code: "INTERNAL_ERROR" },
};

const HTTP_ANSWERS: Readonly<Record<HttpFaultKind, Answer>> = {
  invalid_json: { status: 400, code: "INVALID_JSON" },
  invalid_input: { status: 400, code: "INVALID_REQUEST" },
  body_too_large: { status: 413, code: "INVALID_REQUEST" },
  body_incomplete: { status: 400, code: "INVALID_REQUEST" },
  invalid_multipart: { status: 400, code: "INVALID_REQUEST" },
  range_not_satisfiable: { status: 416, code: "INVALID_REQUEST" },
  route_not_found: { status: 404, code: "RESOURCE_NOT_FOUND" },
  method_not_allowed: { status: 405, code: "METHOD_NOT_ALLOWED" },
  upgrade_required: { status: 426, code: "INVALID_REQUEST" },
  credential_missing: { status: 401, code: "AUTHENTICATION_REQUIRED" },
  // Not INVALID_TOKEN: it raises a TypeError inside the asynchronous Python client.
  credential_invalid: { status: 401, code: "AUTHENTICATION_REQUIRED" },
  credential_expired: { status: 401, code: "TOKEN_EXPIRED" },
  host_refused: { status: 403, code: "FORBIDDEN" },
  origin_refused: { status: 403, code: "FORBIDDEN" },
};

/** A refusal that only this API knows. */
export class HopxRefusal extends Error {
  override readonly name = "HopxRefusal";
  constructor(
    readonly status: 403 | 404 | 408,
    readonly code: "FORBIDDEN" | "RESOURCE_NOT_FOUND" | "EXECUTION_TIMEOUT",
    message: string,
    /** Added to the body, beside the common fields. */
    readonly fields: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

/** The API's answer to anything thrown (contracts/hopx-agent.md, 2.1 to 2.3). */
export function answerError(
  error: unknown,
  request: Request,
  requestId: string,
): Reply & { isFault: boolean } {
  const answer = answerOf(error);
  const known = error instanceof EngineError || error instanceof HttpFault || error instanceof HopxRefusal;
  const text = known
    ? error.message
    : `Internal error; quote the request id ${requestId} to whoever runs this daemon`;
  const file = fileOf(error);
  const message = file === undefined ? text : withoutMisleadingPath(text, file);
  const path = file ?? new URL(request.url).pathname;
  const nested =
    path.startsWith("/v1/") && (request.headers.get("user-agent") ?? "").startsWith("hopx-python/");
  const details =
    error instanceof EngineError && Object.keys(error.details).length > 0 ? { details: error.details } : {};
  const retry = answer.retryAfterSeconds;
  const body = {
    // The Python library reads control-plane errors only in this shape (2.3).
    error: nested ? { message, code: answer.code, request_id: requestId, ...details } : text,
    message,
    code: answer.code,
    ...details,
    path,
    request_id: requestId,
    ...traceOf(),
    timestamp: new Date().toISOString(),
    ...(retry === undefined ? {} : { retry_after: retry }),
    ...(error instanceof HopxRefusal ? error.fields : {}),
    ...missingOf(error),
  };
  const headers = {
    ...(error instanceof HttpFault ? error.headers : {}),
    ...(retry === undefined ? {} : { "Retry-After": String(retry) }),
  };
  return { status: answer.status, body, headers, isFault: answer.status === 500 };
}

/** The trace that a request belongs to, where there is one. */
function traceOf(): { trace_id: string } | undefined {
  const trace = currentOrigin()?.trace;
  return trace && { trace_id: trace.traceId };
}

/** The words of the codes that mean something else where a file is concerned. */
const FILE_CODES: Readonly<Partial<Record<EngineErrorCode, string>>> = {
  not_found: "FILE_NOT_FOUND",
  exists: "FILE_ALREADY_EXISTS",
};

/** What a machine without a desktop wants; a library reads it from the details, another from the body. */
function missingOf(error: unknown): { missing_dependencies: string[] } | undefined {
  const missing = error instanceof EngineError ? error.details["missing_dependencies"] : undefined;
  return Array.isArray(missing) ? { missing_dependencies: missing.map(String) } : undefined;
}

function fileOf(error: unknown): string | undefined {
  const path = error instanceof EngineError ? error.details["path"] : undefined;
  return typeof path === "string" ? path : undefined;
}

/**
 * A 404 whose `message` has "sandbox" and "not found" in it is told as an expired sandbox by the JavaScript
 * library (14.18). The path is in `path`, `details` and `error` then, which it does not look at.
 */
function withoutMisleadingPath(text: string, path: string): string {
  return /sandbox/i.test(path) ? text.replaceAll(path, "(see path)") : text;
}

function answerOf(error: unknown): Answer {
  if (error instanceof EngineError) {
    const answer = ENGINE_ANSWERS[error.code];
    // Never 501 or 503, which libraries send again twice (11).
    if (missingOf(error)) return { ...answer, code: "DESKTOP_NOT_AVAILABLE" };
    const code = fileOf(error) === undefined ? undefined : FILE_CODES[error.code];
    return code === undefined ? answer : { ...answer, code };
  }
  if (error instanceof HttpFault) return HTTP_ANSWERS[error.kind];
  if (error instanceof HopxRefusal) return error;
  return ENGINE_ANSWERS.internal;
}
