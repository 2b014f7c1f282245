import { ClientError } from "./connection.ts";

/** A message of the daemon; absent fields are undefined. */
export interface DaemonMessage {
  readonly type: string;
  /** Text, or values by MIME type. */
  readonly data?: unknown;
  readonly offset?: number;
  readonly length?: number;
  readonly run_id?: string;
  readonly error?: string;
  readonly refused?: string;
  readonly exit_code?: number;
  readonly [field: string]: unknown;
}

/** What a socket is told, in order, and how it was closed. */
export interface Conversation {
  readonly socket: WebSocket;
  readonly messages: AsyncGenerator<DaemonMessage, CloseEvent>;
}

/** Above this the socket is closed rather than remembered without end: nobody reads. */
const MOST_WAITING = 100_000;

export function converse(socket: WebSocket): Conversation {
  const waiting: DaemonMessage[] = [];
  let closed: CloseEvent | undefined;
  let arrival = Promise.withResolvers<undefined>();
  const wake = () => {
    arrival.resolve(undefined);
    arrival = Promise.withResolvers();
  };
  socket.onmessage = ({ data }) => {
    waiting.push(JSON.parse(String(data)) as DaemonMessage);
    if (waiting.length > MOST_WAITING) socket.close(4000, "This client does not keep up");
    wake();
  };
  socket.onclose = (event) => {
    closed = event;
    wake();
  };
  async function* read(): AsyncGenerator<DaemonMessage, CloseEvent> {
    for (;;) {
      const next = waiting.shift();
      if (next) yield next;
      else if (closed) return closed;
      else await arrival.promise;
    }
  }
  return { socket, messages: read() };
}

export function send(socket: WebSocket, message: object): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

/** @throws ClientError that says how it was closed. */
export function lost(closed: CloseEvent): never {
  const why = closed.reason === "" ? "" : `: ${closed.reason}`;
  throw new ClientError(`The connection to the daemon was closed (code ${closed.code}${why})`);
}
