import { TEST_ACCESS_TOKEN, type TestDaemon } from "./daemon.ts";
import { until } from "./engine.ts";

/** One binary frame of the wire, taken apart. */
export interface PtyFrame {
  readonly channel: number;
  /** Of a replay frame only. */
  readonly offset: number | undefined;
  readonly bytes: Buffer;
}

export interface PtyText {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A client of `/pty/{id}/ws` as users write them: it keeps the offset up to which it has everything. */
export class PtyClient implements AsyncDisposable {
  readonly frames: (PtyFrame | PtyText)[] = [];
  readonly socket: WebSocket;
  readonly closed: Promise<CloseEvent>;
  #output = Buffer.alloc(0);
  #replayedBytes = 0;
  #offset: number;

  private constructor(address: string, since: number) {
    this.#offset = since;
    // Headers are Bun's own option, which the DOM's type does not have.
    const options = { headers: { "X-EXECD-ACCESS-TOKEN": TEST_ACCESS_TOKEN } } as unknown as string[];
    this.socket = new WebSocket(address, options);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => this.#receive(data);
    const { promise, resolve } = Promise.withResolvers<CloseEvent>();
    this.socket.onclose = resolve;
    this.closed = promise;
  }

  /** @throws Error when the handshake is refused. */
  static async open(
    daemon: TestDaemon,
    id: string,
    query: Readonly<Record<string, string>> = {},
  ): Promise<PtyClient> {
    const address = new URL(`/pty/${id}/ws?${new URLSearchParams(query).toString()}`, daemon.execdUrl);
    const client = new PtyClient(address.href.replace("http", "ws"), Number(query["since"] ?? 0));
    await new Promise<void>((resolve, reject) => {
      client.socket.onopen = () => resolve();
      client.socket.onerror = () => reject(new Error("the handshake was refused"));
    });
    return client;
  }

  /** Every byte received, in order. */
  get output(): Buffer {
    return this.#output;
  }

  get text(): string {
    return this.#output.toString();
  }

  /** Of the output, what was printed before this client came. */
  get replayedBytes(): number {
    return this.#replayedBytes;
  }

  /** Where to continue. */
  get offset(): number {
    return this.#offset;
  }

  get texts(): PtyText[] {
    return this.frames.filter((frame): frame is PtyText => "type" in frame);
  }

  get binaries(): PtyFrame[] {
    return this.frames.filter((frame): frame is PtyFrame => "channel" in frame);
  }

  type(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    this.socket.send(Buffer.concat([new Uint8Array([0]), bytes]));
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }

  async said(pattern: RegExp): Promise<RegExpExecArray> {
    return until(() => pattern.exec(this.text));
  }

  async told(type: string): Promise<PtyText> {
    return until(() => this.texts.find((frame) => frame.type === type));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.readyState < WebSocket.CLOSING) this.socket.close(1000);
    await this.closed;
  }

  #receive(data: string | ArrayBuffer): void {
    if (typeof data === "string") {
      const frame = JSON.parse(data) as PtyText;
      this.frames.push(frame);
      if (frame.type === "connected") this.#replayedBytes = this.#output.byteLength;
      return;
    }
    const frame = Buffer.from(data);
    const channel = frame[0] ?? -1;
    const offset = channel === 3 ? Number(frame.readBigUInt64BE(1)) : undefined;
    const bytes = frame.subarray(channel === 3 ? 9 : 1);
    this.frames.push({ channel, offset, bytes });
    this.#output = Buffer.concat([this.#output, bytes]);
    this.#offset = (offset ?? this.#offset) + bytes.byteLength;
  }
}

/** Makes a session; gives its id. */
export async function makePty(daemon: TestDaemon, body: object = {}): Promise<string> {
  const response = await daemon.execd("/pty", { method: "POST", body: JSON.stringify(body) });
  return ((await response.json()) as { session_id: string }).session_id;
}
