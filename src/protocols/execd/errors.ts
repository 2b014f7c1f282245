import { EngineError, type EngineErrorCode } from "../../engine/error.ts";
import { HttpFault, type HttpFaultKind } from "../../http/fault.ts";
import type { Reply } from "../../http/route.ts";
import { currentOrigin } from "../../lib/origin.ts";

/** Status and code word of everything that can be refused or go wrong. The only place that picks either. */
interface Answer {
  readonly status: number;
  readonly code: string;
}

/** contracts/opensandbox-execd.md, 1.4; where its codes say nothing better, RUNTIME_ERROR. */
const ENGINE_ANSWERS: Readonly<Record<EngineErrorCode, Answer>> = {
  invalid: { status: 400, code: "INVALID_REQUEST_BODY" },
  not_found: { status: 404, code: "FILE_NOT_FOUND" },
  exists: { status: 409, code: "RUNTIME_ERROR" },
  conflict: { status: 409, code: "RUNTIME_ERROR" },
  denied: { status: 403, code: "RUNTIME_ERROR" },
  changed: { status: 412, code: "RUNTIME_ERROR" },
  busy: { status: 429, code: "RUNTIME_ERROR" },
  gone: { status: 404, code: "CONTEXT_NOT_FOUND" },
  too_large: { status: 413, code: "INVALID_REQUEST_BODY" },
  unsupported: { status: 501, code: "NOT_SUPPORTED" },
  unavailable: { status: 503, code: "SERVICE_UNAVAILABLE" },
  internal: { status: 500, code: "RUNTIME_ERROR" },
};

const HTTP_ANSWERS: Readonly<Record<HttpFaultKind, Answer>> = {
  invalid_json: { status: 400, code: "INVALID_REQUEST_BODY" },
  invalid_input: { status: 400, code: "INVALID_REQUEST_BODY" },
  body_too_large: { status: 413, code: "INVALID_REQUEST_BODY" },
  body_incomplete: { status: 400, code: "INVALID_REQUEST_BODY" },
  invalid_multipart: { status: 400, code: "INVALID_FILE" },
  range_not_satisfiable: { status: 416, code: "UNKNOWN" },
  route_not_found: { status: 404, code: "UNKNOWN" },
  method_not_allowed: { status: 404, code: "UNKNOWN" },
  upgrade_required: { status: 426, code: "INVALID_REQUEST_BODY" },
  credential_missing: { status: 401, code: "UNAUTHORIZED" },
  credential_invalid: { status: 401, code: "UNAUTHORIZED" },
  credential_expired: { status: 401, code: "UNAUTHORIZED" },
  host_refused: { status: 403, code: "RUNTIME_ERROR" },
  origin_refused: { status: 403, code: "RUNTIME_ERROR" },
};

/** A refusal that only this API knows. */
export class ExecdRefusal extends Error {
  override readonly name = "ExecdRefusal";
  constructor(
    readonly status: 400 | 403 | 404 | 409 | 410 | 416 | 500 | 501 | 502 | 503,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The API's answer to anything thrown; clients need both members, and never an empty body (1.4 and 1.6). */
export function answerError(
  error: unknown,
  _: Request,
  requestId: string,
): Reply & { readonly isFault: boolean } {
  const { status, code, isFault } = answerOf(error);
  const message = isFault
    ? `Internal error; quote the request id ${requestId} to whoever runs this daemon`
    : messageOf(error);
  // The clients read `code` and `message`; the reference server answers 401 with `error` alone (1.3).
  const trace = currentOrigin()?.trace;
  const body = {
    code,
    message,
    ...(status === 401 ? { error: message } : {}),
    ...(trace && { trace_id: trace.traceId }),
  };
  return { status, body, headers: error instanceof HttpFault ? error.headers : {}, isFault };
}

/** Clients and their users know how these messages begin (1.5). */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const kind = error instanceof HttpFault ? error.kind : undefined;
  if (kind === "invalid_json") return `error parsing request, MAYBE invalid body format. ${error.message}`;
  if (kind === "invalid_input") return `invalid request, validation error ${error.message}`;
  return error.message;
}

function answerOf(error: unknown): Answer & { readonly isFault: boolean } {
  if (error instanceof EngineError)
    return { ...ENGINE_ANSWERS[error.code], isFault: error.code === "internal" };
  if (error instanceof HttpFault) return { ...HTTP_ANSWERS[error.kind], isFault: false };
  if (error instanceof ExecdRefusal) return { status: error.status, code: error.code, isFault: false };
  return { ...ENGINE_ANSWERS.internal, isFault: true };
}
