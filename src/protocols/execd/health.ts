import { route } from "./context.ts";
import { emptyReply } from "./empty.ts";

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
