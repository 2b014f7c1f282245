import type { Socket, TCPSocketListener } from "bun";

interface Link {
  /** The other end; absent until it is connected. */
  peer?: Socket<Link>;
  waiting: Buffer[];
}

/** Hands bytes to a port and back, until it breaks every connection as a bad network does. */
export class CuttableProxy implements Disposable {
  readonly #sockets = new Set<Socket<Link>>();
  readonly #listener: TCPSocketListener<Link>;
  /** How often all connections have been broken. */
  cuts = 0;

  private constructor(port: number) {
    this.#listener = Bun.listen<Link>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (near) => {
          near.data = { waiting: [] };
          this.#sockets.add(near);
          void this.#connect(near, port);
        },
        data: (near, bytes) => handOn(near.data.peer, bytes, near.data.waiting),
        drain: (near) => handOn(near, Buffer.alloc(0), near.data.peer?.data.waiting ?? []),
        close: (near) => this.#closed(near),
      },
    });
  }

  static to(port: number): CuttableProxy {
    return new CuttableProxy(port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.port}`;
  }

  /** Breaks every connection at once, without a goodbye. */
  cut(): void {
    this.cuts++;
    for (const socket of [...this.#sockets]) socket.terminate();
  }

  [Symbol.dispose](): void {
    this.cut();
    this.#listener.stop(true);
  }

  async #connect(near: Socket<Link>, port: number): Promise<void> {
    const far = await Bun.connect<Link>({
      hostname: "127.0.0.1",
      port,
      data: { peer: near, waiting: [] },
      socket: {
        data: (socket, bytes) => handOn(near, bytes, socket.data.waiting),
        drain: (socket) => handOn(socket, Buffer.alloc(0), near.data.waiting),
        close: (socket) => this.#closed(socket),
      },
    });
    this.#sockets.add(far);
    near.data.peer = far;
    handOn(far, Buffer.alloc(0), near.data.waiting);
  }

  #closed(socket: Socket<Link>): void {
    this.#sockets.delete(socket);
    socket.data.peer?.terminate();
  }
}

/** Writes what waits and then the bytes; what the socket does not take waits until it drains. */
function handOn(to: Socket<Link> | undefined, bytes: Buffer, waiting: Buffer[]): void {
  // The runtime reuses the buffer it hands over.
  if (bytes.byteLength > 0) waiting.push(Buffer.from(bytes));
  while (to !== undefined && waiting[0] !== undefined) {
    const [first] = waiting;
    const taken = Math.max(0, to.write(first));
    if (taken < first.byteLength) {
      waiting[0] = first.subarray(taken);
      return;
    }
    waiting.shift();
  }
}
