import { EngineError } from "../../engine/error.ts";
import { exitCode } from "../../engine/run.ts";
import type { Attachment, Role, TerminalEvent } from "../../engine/terminal/attachment.ts";
import type { TerminalSession } from "../../engine/terminal/session.ts";
import { Typing } from "../../engine/terminal/typing.ts";
import type { WebSocketConnection } from "../../http/websocket.ts";
import { outputFrame, readFrame, replayFrame, type PtyErrorCode, type Received } from "./pty-frames.ts";
import { signalOf, type PtyQuery } from "./pty-schema.ts";

/** Another client has the terminal now. */
const TAKEN_OVER_CODE = 4001;
const MOST_VIOLATIONS = 5;

/** One client of a session: what it is sent and what it sends (contracts/opensandbox-execd.md, 8.3 and 8.4). */
export class PtyConnection {
  readonly #socket: WebSocketConnection;
  readonly #session: TerminalSession;
  readonly #query: PtyQuery;
  readonly #typing: Typing;
  #violations = 0;
  #isConnected = false;
  /** The client does not know the offset of what comes next. */
  #hasGap = false;

  constructor(socket: WebSocketConnection, session: TerminalSession, query: PtyQuery) {
    this.#socket = socket;
    this.#session = session;
    this.#query = query;
    this.#typing = new Typing(
      session,
      socket.signal,
      (error) => void this.#giveUp("STDIN_WRITE_FAILED", error),
    );
  }

  /** Settles when the program has ended, another client has taken over or this one has gone. */
  async serve(): Promise<void> {
    using attachment = await this.#attach();
    if (attachment === undefined) return;
    const listened = this.#listen();
    await Promise.race([this.#tell(attachment), listened, this.#evicted(attachment)]);
  }

  async #attach(): Promise<Attachment | undefined> {
    const { pty, since, takeover, mode } = this.#query;
    try {
      if (mode === "holder") await this.#session.start(pty);
    } catch (error) {
      await this.#giveUp(isCode(error, "gone") ? "SESSION_GONE" : "START_FAILED", error);
      return undefined;
    }
    try {
      // Not before the handshake is done, so that a client that fails in it takes nothing from anybody.
      return this.#session.attach(mode, { since, takeover });
    } catch (error) {
      await this.#giveUp("ALREADY_CONNECTED", error);
      return undefined;
    }
  }

  /** What was printed before comes first, as replay; then the client is told so, and gets the rest as it comes. */
  async #tell(attachment: Attachment): Promise<void> {
    const live = this.#session.outputOffset;
    await this.#connected(attachment.offset >= live);
    for await (const event of attachment.events()) {
      switch (event.type) {
        case "output":
          await this.#socket.send(this.#frameOf(event, attachment.role));
          await this.#connected(event.offset + event.bytes.byteLength >= live);
          break;
        case "skipped":
          this.#hasGap = true;
          break;
        case "exit":
          await this.#connected(true);
          await this.#send({ type: "exit", exit_code: exitCode(event.end) });
          this.#socket.close(1000, "process exited");
          return;
        case "taken_over":
          // `#evicted` closes it.
          await this.#socket.closed;
      }
    }
  }

  /** With its offset where a client could not know it, and for viewers always (8.4). */
  #frameOf({ offset, bytes, stream }: Extract<TerminalEvent, { type: "output" }>, role: Role): Uint8Array {
    const isKnown = this.#isConnected && !this.#hasGap;
    this.#hasGap = false;
    if (!isKnown || role === "viewer" || stream === undefined) return replayFrame(offset, bytes);
    return outputFrame(stream, bytes);
  }

  async #listen(): Promise<void> {
    for await (const message of this.#socket.messages()) {
      const received = readFrame(message);
      if (received !== undefined && !(await this.#heed(received))) return;
    }
  }

  /** @returns Whether the connection stays. */
  async #heed(received: Received): Promise<boolean> {
    if (received.type === "ping") return this.#send({ type: "pong" });
    if (received.type === "unknown")
      return this.#error("INVALID_FRAME", `unknown frame type ${JSON.stringify(received.name)}`);
    if (this.#query.mode === "viewer") return this.#refuseHands();
    switch (received.type) {
      case "bytes":
        return this.#type(received.bytes);
      case "stdin":
        return this.#type(new TextEncoder().encode(received.data));
      case "signal": {
        const signal = signalOf(received.signal);
        if (signal !== undefined) this.#session.signal(signal);
        return true;
      }
      case "resize": {
        const { cols, rows } = received;
        if (cols !== undefined && rows !== undefined) this.#session.resize({ cols, rows });
        return true;
      }
    }
  }

  async #type(bytes: Uint8Array): Promise<boolean> {
    try {
      this.#typing.add(bytes);
      return true;
    } catch (error) {
      await this.#giveUp("STDIN_WRITE_FAILED", error);
      return false;
    }
  }

  async #refuseHands(): Promise<boolean> {
    await this.#error("READ_ONLY", "this connection is a viewer: it can only look");
    this.#violations++;
    if (this.#violations < MOST_VIOLATIONS) return true;
    this.#socket.close(1008, "READ_ONLY");
    return false;
  }

  /** At once, also when the client does not take what is sent to it. */
  async #evicted(attachment: Attachment): Promise<void> {
    if ((await attachment.detached) !== "taken_over") return;
    void this.#error("TAKEN_OVER", "another client has taken this session over");
    this.#socket.close(TAKEN_OVER_CODE, "TAKEN_OVER");
  }

  /** Told once, when everything from before has been. */
  async #connected(isUpToDate: boolean): Promise<void> {
    if (this.#isConnected || !isUpToDate) return;
    this.#isConnected = true;
    const { id, mode } = this.#session;
    const name = mode === "pipes" ? "pipe" : "pty";
    await this.#send({ type: "connected", session_id: id, mode: name, role: this.#query.mode });
  }

  #error(code: PtyErrorCode, error: string): Promise<boolean> {
    return this.#send({ type: "error", code, error });
  }

  async #giveUp(code: PtyErrorCode, error: unknown): Promise<void> {
    if (!(error instanceof EngineError)) throw error;
    await this.#error(code, error.message);
    this.#socket.close(1011, code);
  }

  #send(frame: object): Promise<boolean> {
    return this.#socket.send(JSON.stringify(frame));
  }
}

function isCode(error: unknown, code: EngineError["code"]): boolean {
  return error instanceof EngineError && error.code === code;
}
