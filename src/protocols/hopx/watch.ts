import { Upgrade } from "../../http/websocket.ts";
import { route } from "./context.ts";
import { errorBody } from "./schema.ts";
import { WatchSession } from "./watch-session.ts";

export const watchRoutes = [
  route({
    method: "GET",
    path: "/files/watch",
    credential: "ticket",
    summary: "Watch files for changes (WebSocket)",
    responses: {
      101: { description: "The connection; docs/streams.md has its messages" },
      401: { description: "Token or ticket missing, wrong or expired", schema: errorBody },
      426: { description: "Not the handshake of a WebSocket", schema: errorBody },
    },
    handle: (_, request, context) =>
      new Upgrade((connection) => new WatchSession(connection, request, context).serve()),
  }),
];
