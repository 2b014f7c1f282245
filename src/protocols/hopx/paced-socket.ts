import type { WebSocketConnection } from "../../http/websocket.ts";

/** Between two messages to a client that takes one at a time, so that its loop body may wait a little as well. */
const PAUSE_MS = 5;
/** A client that answers no ping, which the standard asks of it, gets its next message after this. */
const MOST_WAIT_MS = 2000;
const REPEAT_MS = 250;
/** How long a client has to close after its final message. */
const FAREWELL_MS = 5000;

/**
 * Whether a client loses messages that arrive together (contracts/hopx-agent.md, 12.2). It is the JavaScript
 * library, whose WebSocket package sends no User-Agent; browsers and the Python libraries send one.
 */
export function losesBursts(headers: Headers): boolean {
  return !headers.has("user-agent");
}

/**
 * JSON messages over a WebSocket, in the order of the calls. Towards a client that loses bursts each message waits
 * until the one before has been taken: the client's pong tells, and a slow client slows only itself. Whoever
 * awaits `send` has its next output grow meanwhile, so that bursts become few messages; the first goes at once.
 */
export class PacedSocket {
  readonly #connection: WebSocketConnection;
  readonly #isPaced: boolean;
  /** The last call's end: calls queue up behind it. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Settles when the next message may go. */
  #isFree: Promise<unknown> = Promise.resolve();

  constructor(connection: WebSocketConnection, isPaced: boolean) {
    this.#connection = connection;
    this.#isPaced = isPaced;
  }

  /** Settles when there is room for the next message; with false when the connection is gone. */
  send(message: object): Promise<boolean> {
    const sent = this.#turn.then(() => this.#sendNow(JSON.stringify(message)));
    this.#turn = sent;
    return sent;
  }

  /**
   * Sends what the client stops at. One that loses bursts would wait for ever if it missed this, so to such a
   * client it is repeated until it closes, for five seconds at most.
   * @param isOver Stops the repetition when the client goes on with something else.
   */
  async finish(message: object, isOver?: AbortSignal): Promise<void> {
    const { signal } = this.#connection;
    const over = isOver ? AbortSignal.any([isOver, signal]) : signal;
    await this.send(message);
    if (!this.#isPaced) return;
    for (let waitedMs = 0; waitedMs < FAREWELL_MS; waitedMs += REPEAT_MS) {
      await delay(REPEAT_MS, over);
      if (over.aborted) return;
      await this.send(message);
    }
  }

  async #sendNow(text: string): Promise<boolean> {
    if (!this.#isPaced) return this.#connection.send(text);
    await this.#isFree;
    const isSent = await this.#connection.send(text);
    this.#isFree = Promise.all([this.#whenTaken(), delay(PAUSE_MS, this.#connection.signal)]);
    return isSent;
  }

  async #whenTaken(): Promise<void> {
    const enough = new AbortController();
    const late = delay(MOST_WAIT_MS, AbortSignal.any([enough.signal, this.#connection.signal]));
    await Promise.race([this.#connection.taken(), late]);
    enough.abort();
  }
}

/** Settles after a time, or at once when the signal aborts. */
function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
