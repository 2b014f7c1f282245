/**
 * The parameters of a request. A `+` is a space, as forms and most client libraries write it, but the
 * asynchronous Python library puts paths in as they are (contracts/hopx-agent.md, 8.1). A slash that is not
 * escaped gives such a value away: whoever escapes spaces as `+` escapes slashes too.
 */
export function readQuery(request: Request): Readonly<Record<string, string>> {
  const pairs = new URL(request.url).search.slice(1).split("&");
  const plain = pairs.map((pair) => (pair.includes("/") ? pair.replaceAll("+", "%2B") : pair));
  return Object.fromEntries(new URLSearchParams(plain.join("&")));
}
