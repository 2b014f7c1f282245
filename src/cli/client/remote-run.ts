import { printError, writeBytes } from "../output.ts";
import { ClientError, type ClientOptions, type Connection } from "./connection.ts";
import { converse, lost, send, type DaemonMessage } from "./messages.ts";

/** How long a broken connection is tried to be made again, in milliseconds. */
const RETRY_MS = 30_000;
const RETRY_PAUSE_MS = 250;
const INPUT_BYTES = 64 * 1024;

interface Progress {
  runId: string | undefined;
  readonly cursor: { stdout: number; stderr: number; rich: number };
}

/**
 * Runs something over there as if it ran here: output as it comes, input from here, interrupts, its exit code. A
 * connection that breaks is made again and goes on where it stopped.
 * @param first The message that starts or resumes the run.
 */
export async function remoteRun(
  connection: Connection,
  path: string,
  first: object,
  options: Pick<ClientOptions, "output"> & { readonly takesInput: boolean },
): Promise<number> {
  const progress: Progress = { runId: undefined, cursor: { stdout: 0, stderr: 0, rich: 0 } };
  let message: object = first;
  using link = new RunLink(options.takesInput);
  for (let brokenMs: number | undefined; ;) {
    try {
      const end = await follow(await connection.socket(path), message, {
        progress,
        link,
        output: options.output,
      });
      if (typeof end === "number") return end;
      if (progress.runId === undefined || end.code !== 1006) lost(end);
      brokenMs = performance.now();
    } catch (error) {
      if (brokenMs === undefined || performance.now() - brokenMs > RETRY_MS) throw error;
      await Bun.sleep(RETRY_PAUSE_MS);
    }
    const encoding = options.output === "json" ? "utf8" : "base64";
    message = { type: "resume", run_id: progress.runId, cursor: progress.cursor, encoding };
  }
}

/** What the person here gives the run: input, and interrupts; it moves on to the next connection. */
class RunLink implements Disposable {
  #socket: WebSocket | undefined;
  #interrupts = 0;
  #acknowledged: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #onInterrupt = () => {
    // Whoever asks a second time means it.
    if (this.#socket) send(this.#socket, { type: this.#interrupts++ === 0 ? "interrupt" : "cancel" });
    if (this.#interrupts > 2) process.exit(130);
  };

  constructor(readonly takesInput: boolean) {
    process.on("SIGINT", this.#onInterrupt);
  }

  attach(socket: WebSocket): void {
    const isFirst = this.#socket === undefined;
    this.#socket = socket;
    if (isFirst && this.takesInput) void this.#forwardInput();
  }

  acknowledge(): void {
    this.#acknowledged.resolve();
    this.#acknowledged = Promise.withResolvers();
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.#onInterrupt);
  }

  /** A piece at a time: the next is read when the program over there has been given the one before. */
  async #forwardInput(): Promise<void> {
    for await (const chunk of Bun.stdin.stream()) {
      for (let at = 0; at < chunk.byteLength; at += INPUT_BYTES) {
        const data = chunk.subarray(at, at + INPUT_BYTES).toBase64();
        const taken = this.#acknowledged.promise;
        this.#say({ type: "stdin", data, encoding: "base64", ack: true });
        await taken;
      }
    }
    this.#say({ type: "stdin_end" });
  }

  #say(message: object): void {
    if (this.#socket) send(this.#socket, message);
  }
}

async function follow(
  socket: WebSocket,
  first: object,
  { progress, link, output }: { progress: Progress; link: RunLink; output: "text" | "json" },
): Promise<number | CloseEvent> {
  const { messages } = converse(socket);
  send(socket, first);
  let code = 1;
  for (;;) {
    const { value, done } = await messages.next();
    if (done === true) return value;
    progress.runId = value.run_id ?? progress.runId;
    if (output === "json") await writeBytes("stdout", new TextEncoder().encode(`${JSON.stringify(value)}\n`));
    else await show(value);
    advance(value, progress);
    if (value.type === "started") link.attach(socket);
    if (value.type === "stdin_ack" || value.refused === "stdin") link.acknowledge();
    if (value.type === "result") code = value.exit_code ?? 1;
    if (value.type === "error" && (value.refused === "execute" || value.refused === "resume"))
      throw new ClientError(value.error ?? "Refused");
    if (value.type === "complete") {
      socket.close(1000);
      return code;
    }
  }
}

async function show(message: DaemonMessage): Promise<void> {
  const { type, data, error, refused } = message;
  if ((type === "stdout" || type === "stderr") && typeof data === "string")
    await writeBytes(type, Uint8Array.fromBase64(data));
  else if (type === "dropped")
    printError(`sanderling: ${String(message.length)} bytes of ${String(message["stream"])} are lost`);
  else if (type === "input_request")
    await writeBytes("stdout", new TextEncoder().encode(String(message["prompt"])));
  else if (type === "rich") await showRich(message);
  else if (type === "error" && refused === undefined) showError(message, error ?? "");
}

function showError(message: DaemonMessage, text: string): void {
  const traceback = message["traceback"];
  printError(Array.isArray(traceback) && traceback.length > 0 ? traceback.join("\n") : `sanderling: ${text}`);
}

/** Of what a display comes in, a terminal can show the text. */
async function showRich({ data }: DaemonMessage): Promise<void> {
  if (typeof data !== "object" || data === null || !("text/plain" in data)) return;
  await writeBytes("stdout", new TextEncoder().encode(`${String(data["text/plain"])}\n`));
}

function advance(message: DaemonMessage, { cursor }: Progress): void {
  const { type, offset, length } = message;
  const stream = type === "dropped" ? message["stream"] : type;
  if ((stream === "stdout" || stream === "stderr") && offset !== undefined && length !== undefined)
    cursor[stream] = offset + length;
  else if (typeof message["index"] === "number") cursor.rich = message["index"] + 1;
}
