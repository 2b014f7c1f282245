import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./engine.ts";

/** A browser without a window, driven by its own debugging protocol. */
export class Chromium implements AsyncDisposable {
  #id = 0;
  readonly #waiting = new Map<number, (result: Record<string, unknown>) => void>();

  private constructor(
    readonly child: Bun.Subprocess<"ignore", "ignore", "pipe">,
    readonly socket: WebSocket,
    readonly directory: string,
  ) {
    socket.addEventListener("message", ({ data }) => {
      const { id, result } = JSON.parse(String(data)) as { id?: number; result?: Record<string, unknown> };
      if (id !== undefined) this.#waiting.get(id)?.(result ?? {});
    });
  }

  static async open(): Promise<Chromium> {
    const directory = await mkdtemp(join(tmpdir(), "chromium-"));
    const flags = [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--remote-debugging-port=0",
      "--no-first-run",
    ];
    const child = Bun.spawn(
      ["chromium", ...flags, `--user-data-dir=${directory}`, "--window-size=1300,860", "about:blank"],
      { stdin: "ignore", stdout: "ignore", stderr: "pipe" },
    );
    const port = await debuggingPort(child.stderr);
    const page = await until(async () => {
      const targets = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as Target[];
      return targets.find(({ type }) => type === "page");
    });
    const socket = new WebSocket(page.webSocketDebuggerUrl);
    await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
    return new Chromium(child, socket, directory);
  }

  send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#id;
    const { promise, resolve } = Promise.withResolvers<Record<string, unknown>>();
    this.#waiting.set(id, resolve);
    this.socket.send(JSON.stringify({ id, method, params }));
    return promise;
  }

  /** The value of an expression in the page. */
  async evaluate(expression: string): Promise<unknown> {
    const { result } = await this.send("Runtime.evaluate", { expression, returnByValue: true });
    return (result as { value?: unknown } | undefined)?.value;
  }

  async click(x: number, y: number): Promise<void> {
    for (const type of ["mouseMoved", "mousePressed", "mouseReleased"])
      await this.send("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1 });
  }

  async screenshot(): Promise<Buffer> {
    return Buffer.from(String((await this.send("Page.captureScreenshot"))["data"]), "base64");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close();
    this.child.kill("SIGTERM");
    await this.child.exited;
    await rm(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

interface Target {
  readonly type: string;
  readonly webSocketDebuggerUrl: string;
}

async function debuggingPort(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  const found = Promise.withResolvers<string>();
  void (async () => {
    // To its end, so that the browser never waits for room.
    for await (const chunk of stream) {
      text = (text + decoder.decode(chunk, { stream: true })).slice(-10_000);
      const [, port] = /ws:\/\/127\.0\.0\.1:(\d+)\//.exec(text) ?? [];
      if (port !== undefined) found.resolve(port);
    }
    found.reject(new Error(`chromium did not start: ${text}`));
  })();
  return found.promise;
}
