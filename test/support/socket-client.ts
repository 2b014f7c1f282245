import type { TestDaemon } from "./daemon.ts";
import { until } from "./engine.ts";

/** A message as tests read it; absent fields are undefined. */
export interface StreamMessage {
  readonly type: string;
  readonly data: string;
  readonly offset: number;
  readonly length: number;
  readonly seq: number;
  readonly run_id: string;
  readonly [field: string]: unknown;
}

/** A WebSocket to a daemon that keeps everything it is told. */
export class SocketClient implements AsyncDisposable {
  readonly messages: StreamMessage[] = [];
  readonly socket: WebSocket;
  readonly closed: Promise<CloseEvent>;

  private constructor(address: string, headers: Readonly<Record<string, string>>) {
    // Headers are Bun's own option, which the DOM's type does not have.
    this.socket = new WebSocket(address, { headers } as unknown as string[]);
    this.socket.onmessage = ({ data }) => void this.messages.push(JSON.parse(String(data)) as StreamMessage);
    const { promise, resolve } = Promise.withResolvers<CloseEvent>();
    this.socket.onclose = resolve;
    this.closed = promise;
  }

  /** @throws Error when the handshake is refused. */
  static async open(
    daemon: TestDaemon,
    path: string,
    headers: Readonly<Record<string, string>> = {
      "User-Agent": "test",
      Authorization: `Bearer ${daemon.token}`,
    },
  ): Promise<SocketClient> {
    return SocketClient.at(new URL(path, daemon.url).href.replace("http", "ws"), headers);
  }

  static async at(address: string, headers: Readonly<Record<string, string>>): Promise<SocketClient> {
    const client = new SocketClient(address, headers);
    await new Promise<void>((resolve, reject) => {
      client.socket.onopen = () => resolve();
      client.socket.onerror = () => reject(new Error("the handshake was refused"));
    });
    return client;
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Everything from the message `from` on up to the first of a type; waits for it. */
  async upTo(type: string, from = 0): Promise<StreamMessage[]> {
    return await until(() => {
      const end = this.messages.findIndex((message, index) => index >= from && message.type === type);
      return end < 0 ? undefined : this.messages.slice(from, end + 1);
    });
  }

  /** Runs something and waits for its end. */
  async run(message: object): Promise<StreamMessage[]> {
    const from = this.messages.length;
    this.send({ type: "execute", ...message });
    return this.upTo("complete", from);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.readyState < WebSocket.CLOSING) this.socket.close(1000);
    await this.closed;
  }
}

/** What a stream carried in all. */
export function textOf(messages: readonly StreamMessage[], stream = "stdout"): string {
  return messages
    .filter(({ type }) => type === stream)
    .map(({ data }) => data)
    .join("");
}

export function typesOf(messages: readonly StreamMessage[]): string[] {
  return messages.map(({ type }) => type);
}
