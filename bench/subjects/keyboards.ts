/** Keys typed into terminals, each waited for until its echo: over both of the daemon's protocols, and bare. */
import { TEST_ACCESS_TOKEN, type TestDaemon } from "../../test/support/daemon.ts";

/** The kernel echoes what is typed; the program only waits. */
const WAIT = "sleep 1000000";

export async function openPty(daemon: TestDaemon, command: string): Promise<WebSocket> {
  const made = await daemon.execd("/pty", { method: "POST", body: JSON.stringify({ command }) });
  const { session_id } = (await made.json()) as { session_id: string };
  const address = `${daemon.execdUrl.replace("http", "ws")}/pty/${session_id}/ws`;
  return connect(address, { "X-EXECD-ACCESS-TOKEN": TEST_ACCESS_TOKEN });
}

function connect(address: string, headers: Readonly<Record<string, string>>): WebSocket {
  // Headers are Bun's own option, which the DOM's type does not have.
  const socket = new WebSocket(address, { headers } as unknown as string[]);
  socket.binaryType = "arraybuffer";
  return socket;
}

/** A connection that waits for one answer at a time. */
abstract class Keyboard {
  #echo: PromiseWithResolvers<void> = Promise.withResolvers();

  async key(): Promise<void> {
    this.#echo = Promise.withResolvers();
    this.press();
    await this.#echo.promise;
  }

  protected echoed(): void {
    this.#echo.resolve();
  }

  protected abstract press(): void;
}

/** A terminal of the Execution API. */
export class Line extends Keyboard implements AsyncDisposable {
  private constructor(readonly socket: WebSocket) {
    super();
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") this.echoed();
    };
  }

  static async open(daemon: TestDaemon): Promise<Line> {
    const socket = await openPty(daemon, WAIT);
    await new Promise((resolve) => (socket.onopen = resolve));
    return new Line(socket);
  }

  protected press(): void {
    this.socket.send(new Uint8Array([0, 120]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closed(this.socket);
  }
}

/** A terminal of the VM Agent API, whose messages are text. */
export class TextLine extends Keyboard implements AsyncDisposable {
  private constructor(readonly socket: WebSocket) {
    super();
    socket.onmessage = () => this.echoed();
  }

  static async open(daemon: TestDaemon): Promise<TextLine> {
    const address = `${daemon.url.replace("http", "ws")}/terminal?command=${encodeURIComponent(WAIT)}`;
    const socket = connect(address, { Authorization: `Bearer ${daemon.token}`, "User-Agent": "bench" });
    await new Promise((resolve) => (socket.onopen = resolve));
    return new TextLine(socket);
  }

  protected press(): void {
    this.socket.send('{"type":"input","data":"x"}');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closed(this.socket);
  }
}

/** The runtime's own terminal, in this process. */
export class BareTerminal extends Keyboard implements AsyncDisposable {
  readonly #child: Bun.Subprocess;

  constructor() {
    super();
    this.#child = Bun.spawn(["bash", "-c", WAIT], { terminal: { data: () => this.echoed() } });
  }

  protected press(): void {
    this.#child.terminal?.write("x");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    this.#child.terminal?.close();
  }
}

function closed(socket: WebSocket): Promise<unknown> {
  const gone = new Promise((resolve) => (socket.onclose = resolve));
  socket.close();
  return gone;
}
