import type { z } from "zod";

/** What can be wrong with a request before any handler sees it. Each protocol gives every kind its answer. */
export type HttpFaultKind =
  | "invalid_json"
  | "invalid_input"
  | "body_too_large"
  | "body_incomplete"
  | "invalid_multipart"
  | "range_not_satisfiable"
  | "route_not_found"
  | "method_not_allowed"
  /** A WebSocket route was asked without the handshake. */
  | "upgrade_required"
  | "credential_missing"
  | "credential_invalid"
  | "credential_expired"
  | "host_refused"
  | "origin_refused";

/** A request that the wire kit refuses; the protocol's error table picks status and code. */
export class HttpFault extends Error {
  override readonly name = "HttpFault";

  constructor(
    readonly kind: HttpFaultKind,
    message: string,
    /** Headers that belong to the refusal, such as Allow. */
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** The first problems zod found, as one sentence a caller can act on: `timeout: expected a number`. */
export function describeIssues(error: z.ZodError): string {
  const shown = error.issues.slice(0, 3).map((issue) => {
    const path = issue.path.join(".");
    if (isMissing(issue)) return `Missing required field: ${path}`;
    return path === "" ? issue.message : `${path}: ${issue.message}`;
  });
  const more = error.issues.length - shown.length;
  return shown.join("; ") + (more > 0 ? ` (and ${more} more)` : "");
}

function isMissing(issue: z.core.$ZodIssue): boolean {
  return (
    issue.code === "invalid_type" && issue.path.length > 0 && issue.message.endsWith("received undefined")
  );
}
