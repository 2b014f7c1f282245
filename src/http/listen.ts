import { rememberPeer } from "./peer.ts";
import type { Upgrader, WebSocketConnection } from "./websocket.ts";

/** One port that answers requests. */
export interface Listener {
  /** For example `http://127.0.0.1:7777`. */
  readonly url: string;
  readonly port: number;
  /** WebSockets that are open just now. */
  readonly openSockets: number;
  /** Takes no more connections and waits for the open requests to be answered. */
  drain(): Promise<void>;
  /** Tells every open WebSocket that the daemon is going away (close code 1001). */
  closeSockets(): void;
  /** Ends open connections too. */
  close(): Promise<void>;
}

/** Answers one request; `upgrade` turns it into a WebSocket, and what is returned then is not sent. */
export type Fetch = (request: Request, upgrade: Upgrader) => Response | Promise<Response>;

/** Larger messages are refused with close code 1009. */
const MOST_MESSAGE_BYTES = 16 * 1024 * 1024;
/** After so much silence the runtime asks with a ping, and closes when nothing comes back. */
const SOCKET_IDLE_SECONDS = 60;

/**
 * Opens a port.
 * @param port 0 takes a free one.
 * @throws Error that names the address when it cannot be listened on.
 */
export function listen(hostname: string, port: number, fetch: Fetch): Listener {
  const sockets = new Set<WebSocketConnection>();
  try {
    const server = Bun.serve({
      hostname,
      port,
      fetch: (request, self) => answer(request, self, fetch),
      // A run may be silent for as long as its timeout allows; the runtime would hang up after ten seconds.
      idleTimeout: 0,
      // Checked while reading, so that the refusal has the API's own shape.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      websocket: socketHandlers(sockets),
    });
    const shown = hostname.includes(":") ? `[${hostname}]` : hostname;
    return {
      url: `http://${shown}:${server.port ?? port}`,
      port: server.port ?? port,
      get openSockets() {
        return sockets.size;
      },
      drain: () => server.stop(false),
      closeSockets: () => sockets.forEach((socket) => socket.close(1001, "The daemon is shutting down")),
      close: () => server.stop(true),
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot listen on ${hostname} port ${port}: ${reason}`, { cause: error });
  }
}

async function answer(
  request: Request,
  server: Bun.Server<WebSocketConnection>,
  fetch: Fetch,
): Promise<Response | undefined> {
  const outcome = { isUpgraded: false };
  rememberPeer(request, () => server.requestIP(request)?.address);
  const response = await fetch(request, (upgraded, data, headers) => {
    outcome.isUpgraded = server.upgrade(upgraded, { data, headers });
    return outcome.isUpgraded;
  });
  return outcome.isUpgraded ? undefined : response;
}

function socketHandlers(sockets: Set<WebSocketConnection>): Bun.WebSocketHandler<WebSocketConnection> {
  return {
    // Names the type of `data` for the handlers below; the runtime reads nothing of it.
    data: undefined as unknown as WebSocketConnection,
    maxPayloadLength: MOST_MESSAGE_BYTES,
    idleTimeout: SOCKET_IDLE_SECONDS,
    sendPings: true,
    perMessageDeflate: false,
    // Senders wait at a lower mark (`WebSocketConnection.send`); this one is for what is sent without waiting.
    backpressureLimit: 64 * 1024 * 1024,
    closeOnBackpressureLimit: true,
    open(socket) {
      sockets.add(socket.data);
      socket.data.opened(socket);
    },
    message: (socket, message) => socket.data.received(message),
    drain: (socket) => socket.data.drained(),
    pong: (socket, payload) => socket.data.ponged(payload),
    close(socket, code, reason) {
      sockets.delete(socket.data);
      socket.data.ended({ code, reason });
    },
  };
}
