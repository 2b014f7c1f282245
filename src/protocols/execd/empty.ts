/** A client library reads an empty answer only when its length is told (contracts/opensandbox-execd.md, 1.6). */
export function emptyReply(): Response {
  return new Response(null, { status: 200, headers: { "Content-Length": "0" } });
}
