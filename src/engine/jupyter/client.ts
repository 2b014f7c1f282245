import { readKernelMessage, type KernelMessage } from "./kernel-message.ts";
import { decodeMessage, encodeMessage, type JsonObject, type Session } from "./message.ts";
import { ZmtpConnection, type ZmtpMessage } from "./zmtp-connection.ts";
import { ZmtpSocket, type SocketAddress } from "./zmtp-socket.ts";

/** The content of a connection file, with the names that kernels read (jupyter-client, "Connection files"). */
export interface ConnectionInfo {
  readonly transport: "ipc" | "tcp";
  /** An address, or the beginning of the path of each socket. */
  readonly ip: string;
  readonly shell_port: number;
  readonly iopub_port: number;
  readonly stdin_port: number;
  readonly control_port: number;
  readonly hb_port: number;
  readonly key: string;
  readonly signature_scheme: "hmac-sha256";
  readonly kernel_name: string;
}

/** Where something is sent or comes from. There is no heartbeat: the daemon sees the process itself. */
export type Channel = "shell" | "control" | "stdin" | "iopub";

export interface ClientListener {
  /**
   * @param parentId The request that it is about; empty when it is about none.
   * @returns A promise asks to be told nothing more from this channel until it settles.
   */
  readonly onMessage: (
    channel: Channel,
    message: KernelMessage,
    parentId: string,
  ) => Promise<void> | undefined;
  /** What came was no message of this kernel; it has been thrown away. */
  readonly onFault: (channel: Channel, cause: unknown) => void;
  /** The first channel that is over. */
  readonly onClosed: (channel: Channel, cause: Error | undefined) => void;
}

const CHANNELS = ["shell", "control", "stdin", "iopub"] as const;
const MOST_FRAMES = 1024;

/** Speaks to one kernel over its four sockets. */
export class JupyterClient implements Disposable {
  readonly #session: Session;
  readonly #listener: ClientListener;
  readonly #sockets = new Map<Channel, ZmtpSocket>();
  #open: number = CHANNELS.length;
  readonly #closed: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(session: Session, listener: ClientListener) {
    this.#session = session;
    this.#listener = listener;
  }

  /**
   * Connects to all four as soon as the kernel listens.
   * @param messageBytes Bytes of one message that are held; of larger ones only the headers.
   * @throws the reason of `signal` when that comes first, ZmtpError when a peer is not what it should be.
   */
  static async connect(
    info: ConnectionInfo,
    messageBytes: number,
    listener: ClientListener,
    signal: AbortSignal,
  ): Promise<JupyterClient> {
    const client = new JupyterClient({ id: crypto.randomUUID(), key: info.key }, listener);
    const limits = { messageBytes, frames: MOST_FRAMES };
    try {
      await Promise.all(
        CHANNELS.map(async (channel) => {
          // A kernel asks for input at the address of the request: both sockets have one name.
          const connection =
            channel === "iopub"
              ? new ZmtpConnection("SUB", "", limits)
              : new ZmtpConnection("DEALER", client.#session.id, limits);
          const socket = await ZmtpSocket.connect(
            addressOf(info, channel),
            connection,
            client.#listen(channel),
            signal,
          );
          client.#sockets.set(channel, socket);
        }),
      );
      return client;
    } catch (error) {
      client[Symbol.dispose]();
      throw error;
    }
  }

  /** Sends a request and gives its id. @throws EngineError as `ZmtpSocket.send`. */
  send(channel: Exclude<Channel, "iopub">, type: string, content: JsonObject, id = newMessageId()): string {
    this.#sockets.get(channel)?.send(encodeMessage(this.#session, id, type, content));
    return id;
  }

  /** Settles when the kernel has hung up on all channels: nothing more can come. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets.values()) socket[Symbol.dispose]();
  }

  #listen(channel: Channel) {
    return {
      onMessage: (frames: ZmtpMessage) => this.#receive(channel, frames),
      onClosed: (cause: Error | undefined) => {
        if (this.#open === CHANNELS.length) this.#listener.onClosed(channel, cause);
        if (--this.#open === 0) this.#closed.resolve();
      },
    };
  }

  #receive(channel: Channel, frames: ZmtpMessage): Promise<void> | undefined {
    try {
      const message = decodeMessage(this.#session, frames);
      return this.#listener.onMessage(channel, readKernelMessage(message), message.parentId);
    } catch (cause) {
      this.#listener.onFault(channel, cause);
      return undefined;
    }
  }
}

export function newMessageId(): string {
  return crypto.randomUUID();
}

function addressOf(info: ConnectionInfo, channel: Channel): SocketAddress {
  const port = info[`${channel}_port`];
  return info.transport === "ipc" ? { unix: `${info.ip}-${port}` } : { hostname: info.ip, port };
}
