import { printError, writeBytes } from "../output.ts";
import { ClientError, type ClientOptions, type Connection } from "./connection.ts";
import { converse, lost, send, type Conversation, type DaemonMessage } from "./messages.ts";
import { RunLink } from "./run-link.ts";

/** How long a broken connection is tried to be made again, in milliseconds. */
const RETRY_MS = 30_000;
const RETRY_PAUSE_MS = 250;
const GOODBYE_MS = 1000;

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
  first: { readonly type: string },
  { output, takesInput }: Pick<ClientOptions, "output"> & { readonly takesInput: boolean },
): Promise<number> {
  const progress: Progress = { runId: undefined, cursor: { stdout: 0, stderr: 0, rich: 0 } };
  const encoding = output === "json" ? "utf8" : "base64";
  using link = new RunLink(takesInput);
  let message: object = first;
  for (let socket = await connection.socket(path); ; socket = await connectAgain(connection, path)) {
    const conversation = converse(socket);
    try {
      send(socket, message);
      // After a resume nothing need be told, so nothing is waited for.
      if (progress.runId !== undefined) link.attach(socket);
      const end = await follow(conversation, { progress, link, output });
      if (typeof end === "number") return end;
      if (progress.runId === undefined || end.code !== 1006) lost(end);
    } catch (error) {
      // What nobody can be shown any more need not go on; what was there before us does.
      if (first.type === "execute") await giveUp(conversation);
      throw error;
    }
    message = { type: "resume", run_id: progress.runId, cursor: progress.cursor, encoding };
    link.detach();
  }
}

/** @throws ClientError when the daemon cannot be reached for `RETRY_MS`. */
async function connectAgain(connection: Connection, path: string): Promise<WebSocket> {
  const startMs = performance.now();
  for (;;) {
    try {
      return await connection.socket(path);
    } catch (error) {
      if (performance.now() - startMs > RETRY_MS) throw error;
      await Bun.sleep(RETRY_PAUSE_MS);
    }
  }
}

/** Ends the run, and waits a moment for the daemon to hear it. */
async function giveUp({ socket, messages }: Conversation): Promise<void> {
  send(socket, { type: "cancel" });
  socket.close(1000);
  const closed = (async () => {
    while ((await messages.next()).done !== true);
  })();
  await Promise.race([closed, Bun.sleep(GOODBYE_MS)]);
}

async function follow(
  { socket, messages }: Conversation,
  { progress, link, output }: { progress: Progress; link: RunLink; output: "text" | "json" },
): Promise<number | CloseEvent> {
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
  else if (type === "notice") printError(`sanderling: ${String(message["message"])}`);
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
