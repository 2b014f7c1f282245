import { route } from "./context.ts";

/** contracts/opensandbox-execd.md, 4. */
export const healthRoutes = [
  route({
    method: "GET",
    path: "/ping",
    // Whoever waits for the daemon to come up has no token yet; the newest reference server agrees (1.3).
    credential: "none",
    summary: "Whether the daemon answers",
    responses: { 200: { description: "It does; no body" } },
    handle: () => emptyReply(),
  }),
];

/** A client library reads an empty answer only when its length is told (1.6). */
function emptyReply(): Response {
  return new Response(null, { status: 200, headers: { "Content-Length": "0" } });
}
