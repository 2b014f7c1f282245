import type { RequestRecord } from "../../src/http/api.ts";
import { createApp } from "../../src/http/dispatch.ts";
import { HostPolicy } from "../../src/http/host-policy.ts";
import { listen } from "../../src/http/listen.ts";
import { routesFor } from "../../src/http/route.ts";
import { Upgrade, type WebSocketConnection } from "../../src/http/websocket.ts";

/** A listener with one WebSocket route, `/ws`, and what it logged. */
export function serveSocket(handle: (socket: WebSocketConnection, request: Request) => Promise<void>) {
  const records: RequestRecord[] = [];
  const route = routesFor<undefined>();
  const fetch = createApp({
    routes: [
      route({
        method: "GET",
        path: "/ws",
        credential: "none",
        summary: "A socket",
        responses: { 101: { description: "The socket" } },
        handle: (_, { raw }) => new Upgrade((socket) => handle(socket, raw)),
      }),
    ],
    context: undefined,
    hosts: new HostPolicy({ allowedHosts: [], allowedOrigins: [] }),
    allowedOrigins: [],
    maxBodyBytes: 1024,
    name: "test",
    sampler: undefined,
    authenticate: () => undefined,
    once: (_, __, work) => work(),
    readQuery: () => ({}),
    parseJson: (text): unknown => JSON.parse(text),
    answerError: (error) => ({ status: 400, body: { message: String(error) }, isFault: false }),
    record: (record) => void records.push(record),
  });
  const listener = listen("127.0.0.1", 0, fetch);
  return { url: listener.url, records, [Symbol.asyncDispose]: () => listener.close() };
}
