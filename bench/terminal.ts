import { TEST_ACCESS_TOKEN, type TestDaemon } from "../test/support/daemon.ts";
import { compare, row, sample, type Row } from "./measure.ts";

const BYTES = 128 * 2 ** 20;
const FLOOD = `stty raw; head -c ${BYTES} /dev/zero`;
/** The kernel echoes what is typed; the program only waits. */
const WAIT = "sleep 1000000";

/** A key from the client's socket to its echo there, and a flood, both beside the runtime's own terminal in-process. */
export async function terminalRows(daemon: TestDaemon, rounds: number): Promise<Row[]> {
  await using typed = await Line.open(daemon, WAIT);
  await using bare = new BareTerminal(WAIT);
  await using text = await TextLine.open(daemon);
  const millis = await compare(
    "key to its echo, /pty",
    () => typed.key(),
    "a terminal of the runtime's own",
    () => bare.key(),
    5 * rounds,
  );
  const flood = await compare(
    `${BYTES / 2 ** 20} MiB from a terminal to a client, /pty`,
    () => readFlood(daemon),
    "a terminal of the runtime's own",
    () => drain(FLOOD),
    3,
  );
  return [
    ...millis,
    row("key to its echo, /terminal", "ms", await sample(() => text.key(), 5 * rounds)),
    ...flood,
  ];
}

async function makePty(daemon: TestDaemon, command: string): Promise<string> {
  const made = await daemon.execd("/pty", { method: "POST", body: JSON.stringify({ command }) });
  const { session_id } = (await made.json()) as { session_id: string };
  return `${daemon.execdUrl.replace("http", "ws")}/pty/${session_id}/ws`;
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

class Line extends Keyboard implements AsyncDisposable {
  private constructor(readonly socket: WebSocket) {
    super();
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") this.echoed();
    };
  }

  static async open(daemon: TestDaemon, command: string): Promise<Line> {
    const socket = connect(await makePty(daemon, command), { "X-EXECD-ACCESS-TOKEN": TEST_ACCESS_TOKEN });
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

class TextLine extends Keyboard implements AsyncDisposable {
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

class BareTerminal extends Keyboard implements AsyncDisposable {
  readonly #child: Bun.Subprocess;

  constructor(command: string) {
    super();
    this.#child = Bun.spawn(["bash", "-c", command], { terminal: { data: () => this.echoed() } });
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

async function readFlood(daemon: TestDaemon): Promise<void> {
  const socket = connect(await makePty(daemon, FLOOD), { "X-EXECD-ACCESS-TOKEN": TEST_ACCESS_TOKEN });
  let bytes = 0;
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (typeof data !== "string") bytes += data.byteLength - (new Uint8Array(data)[0] === 3 ? 9 : 1);
  };
  await new Promise((resolve) => (socket.onclose = resolve));
  if (bytes !== BYTES) throw new Error(`of ${BYTES} bytes ${bytes} came`);
}

async function drain(command: string): Promise<void> {
  let bytes = 0;
  const { promise, resolve }: PromiseWithResolvers<void> = Promise.withResolvers();
  const child = Bun.spawn(["bash", "-c", command], {
    terminal: { data: (_, data) => void (bytes += data.byteLength), exit: () => resolve() },
  });
  await Promise.all([promise, child.exited]);
  child.terminal?.close();
  if (bytes !== BYTES) throw new Error(`of ${BYTES} bytes ${bytes} came`);
}

function closed(socket: WebSocket): Promise<unknown> {
  const gone = new Promise((resolve) => (socket.onclose = resolve));
  socket.close();
  return gone;
}
