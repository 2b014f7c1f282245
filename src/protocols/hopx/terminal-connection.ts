import { EngineError } from "../../engine/error.ts";
import { exitCode, type RunEnd } from "../../engine/run.ts";
import type { Attachment, Role } from "../../engine/terminal/attachment.ts";
import type { TerminalSession } from "../../engine/terminal/session.ts";
import { Typing } from "../../engine/terminal/typing.ts";
import { Utf8Text } from "../../engine/terminal/utf8-text.ts";
import { describeIssues, HttpFault } from "../../http/fault.ts";
import type { RequestInfo } from "../../http/route.ts";
import type { Message, WebSocketConnection } from "../../http/websocket.ts";
import { answerError } from "./errors.ts";
import { losesBursts, PacedSocket } from "./paced-socket.ts";
import { parseMessage } from "./socket-message.ts";
import { terminalMessage, type TerminalMessage } from "./terminal-schema.ts";
import { describeSessionEnd } from "./terminal-view.ts";

/** Another connection has the session now. */
const TAKEN_OVER_CODE = 4001;
/** A client that loses what comes before it listens gets this long to say something first (12.2). */
const LISTENING_MS = 100;

export interface TerminalClient {
  readonly role: Role;
  /** Whether it knows of sessions: the client libraries know output and exit only. */
  readonly knowsSessions: boolean;
}

/** One client of a terminal session: the messages it is sent and those it sends (contracts/hopx-agent.md, 12.4). */
export class TerminalConnection {
  readonly #connection: WebSocketConnection;
  readonly #session: TerminalSession;
  readonly #client: TerminalClient;
  readonly #request: RequestInfo;
  readonly #socket: PacedSocket;
  readonly #typing: Typing;
  readonly #listening: Promise<void>;
  readonly #hasSpoken: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(
    connection: WebSocketConnection,
    session: TerminalSession,
    client: TerminalClient,
    request: RequestInfo,
  ) {
    const isPaced = losesBursts(request.raw.headers);
    this.#connection = connection;
    this.#session = session;
    this.#client = client;
    this.#request = request;
    this.#socket = new PacedSocket(connection, isPaced);
    this.#typing = new Typing(session, connection.signal, (error) => void this.#refuse(error, "input"));
    this.#listening = isPaced
      ? Promise.race([this.#hasSpoken.promise, Bun.sleep(LISTENING_MS)])
      : Promise.resolve();
  }

  /** Settles when the program has ended, another client has taken over or this one has gone. */
  async serve(attachment: Attachment): Promise<void> {
    await Promise.race([this.#tell(attachment), this.#listen(), this.#evicted(attachment)]);
  }

  async #tell(attachment: Attachment): Promise<void> {
    await this.#listening;
    if (this.#client.knowsSessions) await this.#attached(attachment);
    const text = new Utf8Text(attachment.offset > 0);
    for await (const event of attachment.events()) {
      switch (event.type) {
        case "output":
          await this.#output(text, event.bytes, event.offset);
          break;
        case "skipped":
          await this.#output(text, undefined, event.offset);
          await this.#send({ type: "dropped", offset: event.offset, length: event.length });
          break;
        case "exit":
          await this.#output(text, undefined, attachment.offset);
          await this.#exit(event.end);
          return;
        case "taken_over":
          // `#evicted` closes it.
          await this.#connection.closed;
      }
    }
  }

  /** @param bytes undefined: what is held of a character will not be completed. */
  async #output(text: Utf8Text, bytes: Uint8Array | undefined, at: number): Promise<void> {
    const offset = at - text.heldBytes;
    const data = bytes === undefined ? text.flush() : text.add(bytes);
    if (data === "") return;
    const length = at + (bytes?.byteLength ?? 0) - text.heldBytes - offset;
    await this.#send({ type: "output", data, offset, length, timestamp: new Date().toISOString() });
  }

  async #attached(attachment: Attachment): Promise<void> {
    const { id, facts, size } = this.#session;
    await this.#send({
      type: "attached",
      session_id: id,
      name: facts.name ?? null,
      role: attachment.role,
      ...size,
      offset: attachment.offset,
    });
  }

  async #exit(end: RunEnd): Promise<void> {
    this.#request.note({ end: end.cause });
    await this.#socket.finish({ type: "exit", code: exitCode(end), end: describeSessionEnd(end) });
    this.#connection.close(1000, "The program has ended");
  }

  async #listen(): Promise<void> {
    for await (const message of this.#connection.messages()) {
      this.#hasSpoken.resolve();
      await this.#heed(message);
    }
  }

  async #heed(message: Message): Promise<void> {
    let type = "message";
    try {
      const given = parseMessage(message);
      if (given === undefined) return;
      if (typeof given["type"] === "string") type = given["type"];
      const parsed = terminalMessage.safeParse(given);
      if (!parsed.success) throw new HttpFault("invalid_input", describeIssues(parsed.error));
      await this.#do(parsed.data);
    } catch (error) {
      await this.#refuse(error, type);
    }
  }

  async #do(message: TerminalMessage): Promise<void> {
    if (message.type === "ping") {
      await this.#send({ type: "pong", timestamp: new Date().toISOString() });
      return;
    }
    if (this.#client.role === "viewer")
      throw new EngineError("denied", "This connection is a viewer: it can only look");
    switch (message.type) {
      case "input":
        this.#typing.add(new TextEncoder().encode(message.data));
        return;
      case "resize":
        this.#session.resize({ cols: message.cols, rows: message.rows });
        return;
      case "signal":
        this.#session.signal(message.signal);
    }
  }

  /** At once, also when the client does not take what is sent to it. */
  async #evicted(attachment: Attachment): Promise<void> {
    if ((await attachment.detached) !== "taken_over") return;
    void this.#send({ type: "detached", reason: "taken_over" });
    // Two turns: what was just sent goes first.
    await new Promise((resume) => setImmediate(resume));
    this.#connection.close(TAKEN_OVER_CODE, "Another connection has taken the session over");
  }

  async #refuse(error: unknown, type: string): Promise<void> {
    const { body, isFault } = answerError(error, this.#request.raw, this.#request.id);
    if (isFault) throw error;
    // What answers an error always has an object as its body.
    await this.#send({ type: "error", ...(body as object), refused: type });
  }

  #send(message: object): Promise<boolean> {
    return this.#socket.send(message);
  }
}
