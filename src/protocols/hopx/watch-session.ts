import { EngineError } from "../../engine/error.ts";
import { watchFiles, type FileWatcher, type WatchEvent } from "../../engine/files/watch.ts";
import { describeIssues, HttpFault } from "../../http/fault.ts";
import type { RequestInfo } from "../../http/route.ts";
import type { Message, WebSocketConnection } from "../../http/websocket.ts";
import type { HopxContext } from "./context.ts";
import { answerError } from "./errors.ts";
import { losesBursts, PacedSocket } from "./paced-socket.ts";
import { parseMessage } from "./socket-message.ts";
import { watchMessage, type WatchStart } from "./watch-schema.ts";

/** Nothing more can be told: what was watched is gone. */
const GONE_CODE = 4404;
/** Nothing could be watched; the error before it says why. */
const REFUSED_CODE = 1008;

/** One connection that watches one tree (contracts/hopx-agent.md, 12.5). */
export class WatchSession {
  readonly #connection: WebSocketConnection;
  readonly #socket: PacedSocket;
  readonly #request: RequestInfo;
  readonly #context: HopxContext;
  readonly #fault: PromiseWithResolvers<never> = Promise.withResolvers();
  #watcher: Promise<FileWatcher> | undefined;
  #sequence = 0;

  constructor(connection: WebSocketConnection, request: RequestInfo, context: HopxContext) {
    this.#connection = connection;
    this.#socket = new PacedSocket(connection, losesBursts(request.raw.headers));
    this.#request = request;
    this.#context = context;
  }

  /** Settles when the client has gone. */
  async serve(): Promise<void> {
    try {
      await Promise.race([this.#listen(), this.#fault.promise]);
    } finally {
      const watcher = await this.#watcher?.catch(() => undefined);
      await watcher?.[Symbol.asyncDispose]();
    }
  }

  async #listen(): Promise<void> {
    for await (const message of this.#connection.messages()) {
      try {
        await this.#heed(message);
      } catch (error) {
        await this.#refuse(error);
      }
    }
  }

  async #heed(message: Message): Promise<void> {
    const given = parseMessage(message);
    if (given === undefined) return;
    const parsed = watchMessage.safeParse({ action: given["type"], ...given });
    if (!parsed.success) throw new HttpFault("invalid_input", describeIssues(parsed.error));
    if (parsed.data.action === "ping") await this.#send("pong", {});
    else await this.#watch(parsed.data);
  }

  async #watch(wanted: WatchStart): Promise<void> {
    if (this.#watcher)
      throw new EngineError("conflict", "This connection watches already: open another for another path");
    const { path, recursive, ignore } = wanted;
    this.#watcher = watchFiles(this.#context.engine.paths, { path, isRecursive: recursive, ignore });
    const watcher = await this.#watcher;
    // Told when every later change will be: the client is armed from here on.
    const facts = { path, recursive, directories: watcher.directories };
    await this.#send("status", { status: `Watching ${path}`, ...facts });
    this.#tell(watcher, path).catch((error: unknown) => this.#fault.reject(error));
  }

  /** A slow reader holds one change of each kind a path, within a bound. */
  async #tell(watcher: FileWatcher, path: string): Promise<void> {
    for await (const event of watcher.events()) {
      if (!(await this.#send(event.type, describe(event)))) return;
    }
    if (!this.#connection.signal.aborted) this.#connection.close(GONE_CODE, `${path} is gone`);
  }

  async #refuse(error: unknown): Promise<void> {
    const { body, isFault } = answerError(error, this.#request.raw, this.#request.id);
    if (isFault) this.#fault.reject(error);
    if (isFault) return;
    // What answers an error always has an object as its body.
    await this.#send("error", body as object);
    const watcher = await this.#watcher?.catch(() => undefined);
    if (this.#watcher && !watcher) this.#connection.close(REFUSED_CODE, "Nothing is watched");
  }

  #send(type: string, fields: object): Promise<boolean> {
    return this.#socket.send({ type, timestamp: new Date().toISOString(), ...fields, seq: this.#sequence++ });
  }
}

function describe(event: WatchEvent): object {
  if (event.type === "overflow")
    return {
      message: "Changes came faster than they could be told and some are lost: list the directory again",
    };
  if (event.type === "limit")
    return {
      path: event.path,
      message: `Directories from ${event.path} on are not watched: the kernel gives no more watches (fs.inotify.max_user_watches)`,
    };
  const { change } = event;
  return {
    path: change.path,
    event: change.kind,
    is_directory: change.isDirectory,
    ...(change.kind === "renamed" ? { new_path: change.to } : {}),
    ...(change.kind === "modified" ? { complete: change.isComplete } : {}),
  };
}
