import { EngineError } from "../error.ts";

/** A connection to the socket file of a program whose writes wait in order while that does not read. */
export class Wire implements Disposable {
  /** Told what has come; what it throws ends the connection. */
  onData: (bytes: Uint8Array) => void = () => undefined;
  readonly #closed: PromiseWithResolvers<void> = Promise.withResolvers();
  #socket: Bun.Socket | undefined;
  #unsent: Uint8Array[] = [];

  /** @throws EngineError `unavailable` when nobody listens there. */
  static async open(path: string): Promise<Wire> {
    const wire = new Wire();
    try {
      wire.#socket = await Bun.connect({
        unix: path,
        socket: {
          data: (_, bytes) => wire.#received(bytes),
          drain: () => wire.#flush(),
          close: () => wire.#ended(),
          error: () => wire.#ended(),
        },
      });
    } catch (cause) {
      throw new EngineError("unavailable", `Cannot connect to ${path}: ${String(cause)}`, {
        cause,
      });
    }
    return wire;
  }

  get isOpen(): boolean {
    return this.#socket !== undefined;
  }

  /** Settles when it is over, for whatever reason. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  write(bytes: Uint8Array): void {
    // What waits is bounded by its callers: they await a reply after at most a few requests.
    this.#unsent.push(bytes);
    if (this.#unsent.length === 1) this.#flush();
  }

  [Symbol.dispose](): void {
    this.#socket?.end();
    this.#ended();
  }

  #received(bytes: Uint8Array): void {
    try {
      this.onData(bytes);
    } catch {
      // Whoever sends what cannot be understood is none to talk to any longer.
      this[Symbol.dispose]();
    }
  }

  #flush(): void {
    for (let first = this.#unsent[0]; first && this.#socket; first = this.#unsent[0]) {
      const written = this.#socket.write(first);
      if (written < first.byteLength) {
        this.#unsent[0] = first.subarray(Math.max(0, written));
        return;
      }
      this.#unsent.shift();
    }
  }

  #ended(): void {
    this.#socket = undefined;
    this.#unsent = [];
    this.#closed.resolve();
  }
}
