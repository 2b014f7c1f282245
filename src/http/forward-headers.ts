/** Headers that are about one connection and not about what it carries (RFC 9110, 7.6.1). */
const HOP_BY_HOP = [
  "connection",
  "expect",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

type Pairs = readonly (readonly [string, string])[];

/** Without the headers of one connection: the known ones, and those that `Connection` names. */
export function endToEnd(headers: Pairs): Pairs {
  const named = headers
    .filter(([name]) => name.toLowerCase() === "connection")
    .flatMap(([, value]) => value.split(","))
    .map((name) => name.trim().toLowerCase());
  const dropped = new Set([...HOP_BY_HOP, ...named]);
  return headers.filter(([name]) => !dropped.has(name.toLowerCase()));
}

export interface ForwardedBy {
  /** The address of the client; undefined: not known. */
  readonly peer: string | undefined;
  /** What was taken off the beginning of the path. */
  readonly prefix: string;
}

/**
 * What the target of a forwarded request gets. `Host` stays as the client sent it, because applications make
 * links from it; what proxies before this one said is kept and added to.
 */
export function forwardedHeaders(headers: Headers, { peer, prefix }: ForwardedBy): Record<string, string> {
  const kept = Object.fromEntries(endToEnd([...headers]));
  const before = headers.get("x-forwarded-for") ?? headers.get("x-real-ip");
  const chain = [before, peer].filter((part) => part !== null && part !== undefined);
  return {
    ...kept,
    ...(chain.length > 0 ? { "x-forwarded-for": chain.join(", ") } : {}),
    "x-forwarded-proto": headers.get("x-forwarded-proto") ?? "http",
    "x-forwarded-host": headers.get("x-forwarded-host") ?? headers.get("host") ?? "localhost",
    "x-forwarded-prefix": (headers.get("x-forwarded-prefix") ?? "") + prefix,
  };
}
