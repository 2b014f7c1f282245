export interface CloseInfo {
  readonly code: number;
  readonly reason: string;
}

/** Bytes that may wait in the socket before `send` asks its caller to wait. */
const HIGH_WATER_BYTES = 256 * 1024;
/** Messages and bytes of the other side that may wait to be read; of more the connection is closed with 1009. */
const MOST_UNREAD_MESSAGES = 4096;
const MOST_UNREAD_BYTES = 16 * 1024 * 1024;

export type Message = string | Uint8Array;

/**
 * What a route answers with to turn its request into a WebSocket. `serve` owns the connection: when it returns
 * the connection is closed with 1000, when it throws with 1011 and the fault is logged with the request's id.
 */
export class Upgrade {
  constructor(
    readonly serve: (socket: WebSocketConnection) => Promise<void>,
    /** Sent with the 101, such as Sec-WebSocket-Protocol. */
    readonly headers: Readonly<Record<string, string>> = {},
  ) {}
}

/** Turns a request into a connection; false when it is no handshake. */
export type Upgrader = (request: Request, connection: WebSocketConnection, headers: Headers) => boolean;

/** One side of a WebSocket, with a bound on what waits in either direction. */
export class WebSocketConnection {
  readonly #closed = Promise.withResolvers<CloseInfo>();
  readonly #gone = new AbortController();
  #socket: Bun.ServerWebSocket<WebSocketConnection> | undefined;
  #unread: Message[] = [];
  #unreadBytes = 0;
  #arrival: PromiseWithResolvers<void> | undefined;
  #drain: PromiseWithResolvers<void> | undefined;
  #pings = 0;
  #pong: { readonly number: number; readonly came: PromiseWithResolvers<void> } | undefined;

  /** @param onOpen Called once the handshake is done. */
  constructor(readonly onOpen: (connection: WebSocketConnection) => void) {}

  /** Settles with the close code, whoever closed; never rejects. */
  get closed(): Promise<CloseInfo> {
    return this.#closed.promise;
  }

  /** Aborted when the connection is gone. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Bytes that wait for the other side to read. */
  get bufferedBytes(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  /**
   * Sends one message, in order. Settles at once while little waits, else when the other side has read; a
   * caller that awaits it holds a bounded amount. Settles with false when the connection is gone.
   */
  async send(message: Message): Promise<boolean> {
    if (!this.#put(message)) return false;
    while (this.bufferedBytes > HIGH_WATER_BYTES && !this.#gone.signal.aborted) {
      this.#drain ??= Promise.withResolvers();
      await this.#drain.promise;
    }
    return !this.#gone.signal.aborted;
  }

  /** Sends only when nothing much waits: for what is worth nothing later. @returns Whether it was sent. */
  offer(message: Message): boolean {
    return this.bufferedBytes <= HIGH_WATER_BYTES && this.#put(message);
  }

  /**
   * Settles when the other side has taken everything sent before this call: it answers a ping in its turn
   * (RFC 6455, 5.5.3). One caller at a time. False when the connection is gone.
   */
  async taken(): Promise<boolean> {
    const number = ++this.#pings;
    if (this.#gone.signal.aborted || this.#socket?.ping(String(number)) === 0) return false;
    this.#pong = { number, came: Promise.withResolvers() };
    await this.#pong.came.promise;
    return !this.#gone.signal.aborted;
  }

  /** What the other side sends, until the connection is gone. One reader. */
  async *messages(): AsyncGenerator<Message, void> {
    for (;;) {
      const message = this.#unread.shift();
      if (message !== undefined) {
        this.#unreadBytes -= message.length;
        yield message;
        continue;
      }
      if (this.#gone.signal.aborted) return;
      this.#arrival = Promise.withResolvers();
      await this.#arrival.promise;
    }
  }

  /** @param code 1000 for a normal end; 1001 going away, 1008 refused, 1009 too much, 1011 our fault, 4000 and up the API's own. */
  close(code = 1000, reason = ""): void {
    // The frame has room for 123 bytes of reason.
    this.#socket?.close(code, new TextDecoder().decode(new TextEncoder().encode(reason).subarray(0, 120)));
  }

  /** Ends the connection without the closing handshake. */
  terminate(): void {
    this.#socket?.terminate();
  }

  #put(message: Message): boolean {
    if (this.#gone.signal.aborted || !this.#socket) return false;
    return this.#socket.send(message) !== 0;
  }

  /** Called by the listener. */
  opened(socket: Bun.ServerWebSocket<WebSocketConnection>): void {
    this.#socket = socket;
    this.onOpen(this);
  }

  /** Called by the listener. */
  received(message: Message): void {
    this.#unread.push(message);
    this.#unreadBytes += message.length;
    if (this.#unread.length > MOST_UNREAD_MESSAGES || this.#unreadBytes > MOST_UNREAD_BYTES)
      this.close(1009, "Too many messages wait to be read here");
    this.#arrival?.resolve();
  }

  /** Called by the listener. An answer to a later ping is one to all before it. */
  ponged(payload: Uint8Array): void {
    const number = Number(new TextDecoder().decode(payload));
    if (this.#pong && number >= this.#pong.number) this.#pong.came.resolve();
  }

  /** Called by the listener. */
  drained(): void {
    this.#drain?.resolve();
    this.#drain = undefined;
  }

  /** Called by the listener. */
  ended(info: CloseInfo): void {
    this.#gone.abort();
    this.#closed.resolve(info);
    this.#arrival?.resolve();
    this.#pong?.came.resolve();
    this.drained();
  }
}

/** Whether a request asks for a WebSocket. */
export function isHandshake(request: Request): boolean {
  return request.headers.get("upgrade")?.toLowerCase() === "websocket";
}
