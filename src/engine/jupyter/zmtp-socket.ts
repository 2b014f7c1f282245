import { EngineError } from "../error.ts";
import type { ZmtpConnection, ZmtpMessage } from "./zmtp-connection.ts";

export type SocketAddress = { readonly unix: string } | { readonly hostname: string; readonly port: number };

export interface SocketListener {
  /** A promise asks to be sent nothing more until it settles. */
  readonly onMessage: (frames: ZmtpMessage) => Promise<void> | undefined;
  /** Told once, when the connection is over; with the reason where there is one. */
  readonly onClosed: (cause: Error | undefined) => void;
}

/** Bytes that wait for the peer to read; more are refused. */
const MOST_WAITING_BYTES = 64 * 1024 * 1024;
/** Nothing tells when a peer begins to listen. */
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 20;

/** A ZMTP connection over a Unix socket or TCP. */
export class ZmtpSocket implements Disposable {
  readonly #connection: ZmtpConnection;
  readonly #listener: SocketListener;
  /** Settles when the handshake is over; rejects when it fails. */
  readonly opened: Promise<void>;
  readonly #opening: PromiseWithResolvers<void> = Promise.withResolvers();
  #socket: Bun.Socket | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isClosed = false;

  private constructor(connection: ZmtpConnection, listener: SocketListener) {
    this.#connection = connection;
    this.#listener = listener;
    this.opened = this.#opening.promise;
    // Whoever connects waits for it; a failure before that is told by the wait.
    this.opened.catch(() => undefined);
  }

  /**
   * Connects as soon as somebody listens at the address, and shakes hands.
   * @throws the reason of `signal` when that comes first, ZmtpError when the peer is not what it should be.
   */
  static async connect(
    address: SocketAddress,
    connection: ZmtpConnection,
    listener: SocketListener,
    signal: AbortSignal,
  ): Promise<ZmtpSocket> {
    const socket = new ZmtpSocket(connection, listener);
    const giveUp = () => socket.#close(reasonOf(signal));
    try {
      await socket.#dial(address, signal);
      signal.addEventListener("abort", giveUp, { once: true });
      if (signal.aborted) giveUp();
      await socket.opened;
      return socket;
    } catch (error) {
      socket[Symbol.dispose]();
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** @throws EngineError `unavailable` when the connection is over, `too_large` when too much waits already. */
  send(frames: readonly Uint8Array[]): void {
    if (this.#isClosed) throw new EngineError("unavailable", "Cannot send to the kernel: it has hung up");
    const bytes = Buffer.concat(this.#connection.send(frames));
    if (this.#waitingBytes + bytes.byteLength > MOST_WAITING_BYTES)
      throw new EngineError(
        "too_large",
        `Cannot send ${bytes.byteLength} bytes to the kernel: at most ${MOST_WAITING_BYTES} may wait, and ${this.#waitingBytes} do`,
      );
    this.#write(bytes);
  }

  [Symbol.dispose](): void {
    this.#close(undefined);
  }

  async #dial(address: SocketAddress, signal: AbortSignal): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs)) {
      if (signal.aborted) throw reasonOf(signal);
      try {
        await this.#open(address);
        return;
      } catch (error) {
        if (!isNobodyThere(error)) throw error;
        await pause(pauseMs, signal);
      }
    }
  }

  async #open(address: SocketAddress): Promise<void> {
    const socket = {
      binaryType: "uint8array" as const,
      data: (_: Bun.Socket, bytes: Uint8Array) => this.#receive(bytes),
      drain: () => this.#flush(),
      close: () => this.#close(undefined),
      error: (_: Bun.Socket, error: Error) => this.#close(error),
    };
    this.#socket = await ("unix" in address
      ? Bun.connect({ ...address, socket })
      : Bun.connect({ ...address, socket }));
    this.#begin();
  }

  #begin(): void {
    for (const bytes of this.#connection.begin()) this.#write(bytes);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      const { messages, reply } = this.#connection.receive(bytes);
      if (reply.length > 0) this.#write(Buffer.concat(reply));
      if (this.#connection.isOpen) this.#opening.resolve();
      for (const message of messages) this.#deliver(message);
    } catch (error) {
      this.#close(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #deliver(message: ZmtpMessage): void {
    const wait = this.#listener.onMessage(message);
    if (wait === undefined) return;
    this.#socket?.pause();
    void wait.finally(() => this.#socket?.resume());
  }

  #write(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.byteLength;
    if (this.#waiting.length === 1) this.#flush();
  }

  #flush(): void {
    for (let first = this.#waiting[0]; first !== undefined && !this.#isClosed; first = this.#waiting[0]) {
      const taken = Math.max(0, this.#socket?.write(first) ?? 0);
      this.#waitingBytes -= taken;
      if (taken < first.byteLength) {
        this.#waiting[0] = first.subarray(taken);
        return;
      }
      this.#waiting.shift();
    }
  }

  #close(cause: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#waiting = [];
    this.#socket?.terminate();
    this.#opening.reject(cause ?? new Error("the peer has hung up"));
    this.#listener.onClosed(cause);
  }
}

function isNobodyThere(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ECONNREFUSED";
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));
}
