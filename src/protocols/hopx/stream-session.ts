import type { z } from "zod";
import { EngineError } from "../../engine/error.ts";
import type { RetoldRun } from "../../engine/executions/execution.ts";
import type { Run } from "../../engine/run.ts";
import { describeIssues, HttpFault } from "../../http/fault.ts";
import type { RequestInfo } from "../../http/route.ts";
import type { Message, WebSocketConnection } from "../../http/websocket.ts";
import { decodeBase64 } from "./base64.ts";
import type { HopxContext } from "./context.ts";
import { answerError } from "./errors.ts";
import { losesBursts, PacedSocket } from "./paced-socket.ts";
import { parseMessage } from "./socket-message.ts";
import { sendSignal } from "./stream-control.ts";
import { StreamInput } from "./stream-input.ts";
import { StreamMessages } from "./stream-messages.ts";
import type { CommonMessage, Encoding, StreamCursor } from "./stream-schema.ts";

/** What the sockets that run something differ in. */
export interface StreamKind<Start> {
  readonly messages: z.ZodType<CommonMessage | Start>;
  readonly kind: "code" | "command";
  /** @param tell Tells the client something before the run's own messages. */
  start(message: Start, context: HopxContext, tell: (notice: string) => Promise<unknown>): Promise<RetoldRun>;
}

export interface StartFields {
  readonly type: "execute";
  readonly encoding: Encoding;
  readonly resumable: boolean;
}

/** A run that is being told, and what its client gives it. */
interface Telling {
  readonly run: Run;
  readonly encoding: Encoding;
  readonly from: StreamCursor | undefined;
  readonly input: StreamInput;
  /** Counts this client among those who read it. */
  readonly attendance: Disposable | undefined;
}

/** A connection on which nothing runs and nothing is said is closed after this. */
const IDLE_MS = 10 * 60 * 1000;
const IDLE_CODE = 4000;

/** One connection: runs one after the other, each told as it goes, and what its client says to them. */
export class StreamSession<Start extends StartFields> {
  readonly #connection: WebSocketConnection;
  readonly #socket: PacedSocket;
  readonly #kind: StreamKind<Start>;
  readonly #request: RequestInfo;
  readonly #context: HopxContext;
  readonly #fault: PromiseWithResolvers<never> = Promise.withResolvers();
  #current: Telling | undefined;
  /** Aborted when the client goes on, or away: the end of its last run need not be repeated any more. */
  #farewell = new AbortController();
  #sequence = 0;
  #idle: Timer | undefined;

  constructor(
    connection: WebSocketConnection,
    kind: StreamKind<Start>,
    request: RequestInfo,
    context: HopxContext,
  ) {
    this.#connection = connection;
    this.#socket = new PacedSocket(connection, losesBursts(request.raw.headers));
    this.#kind = kind;
    this.#request = request;
    this.#context = context;
  }

  /** Settles when the client has gone. */
  async serve(): Promise<void> {
    try {
      await Promise.race([this.#listen(), this.#fault.promise]);
    } finally {
      clearTimeout(this.#idle);
      this.#farewell.abort();
      this.#current?.attendance?.[Symbol.dispose]();
    }
  }

  async #listen(): Promise<void> {
    this.#watchIdleness();
    for await (const message of this.#connection.messages()) {
      this.#watchIdleness();
      await this.#heed(message);
    }
  }

  async #heed(message: Message): Promise<void> {
    let type = "message";
    try {
      const given = parseMessage(message);
      if (given === undefined) return;
      // Of a message that does not say, only a start can be meant.
      type = typeof given["type"] === "string" ? given["type"] : "execute";
      const parsed = this.#kind.messages.safeParse({ ...given, type });
      if (!parsed.success) throw new HttpFault("invalid_input", describeIssues(parsed.error));
      await this.#do(parsed.data);
    } catch (error) {
      await this.#refuse(error, type);
    }
  }

  async #do(message: CommonMessage | Start): Promise<void> {
    if (message.type === "ping") await this.#send({ type: "pong", timestamp: new Date().toISOString() });
    else if (message.type === "resume") this.#resume(message);
    else {
      this.#requireHands();
      if (message.type === "execute") await this.#execute(message);
      else this.#touch(message, this.#requireCurrent());
    }
  }

  /** A ticket may be for looking only. */
  #requireHands(): void {
    if (this.#context.tickets.grantOf(this.#request.raw)?.viewOnly !== true) return;
    throw new EngineError("denied", "This connection was opened with a ticket that is for looking only");
  }

  async #execute(message: Start): Promise<void> {
    this.#requireFree();
    const { engine, cancelOnDisconnect, streamKeepMs } = this.#context;
    const tell = (text: string) =>
      this.#send({ type: "notice", message: text, timestamp: new Date().toISOString() });
    const run = await this.#kind.start(message, this.#context, tell);
    this.#request.note({ runId: run.id });
    const afterClientMs = message.resumable ? streamKeepMs : 0;
    const surviveMs = cancelOnDisconnect ? afterClientMs : undefined;
    const execution = engine.executions.add(run, { kind: this.#kind.kind, content: "", surviveMs });
    this.#tell(run, execution.attend(), message.encoding);
  }

  #resume({ run_id, cursor, encoding }: Extract<CommonMessage, { type: "resume" }>): void {
    this.#requireFree();
    const { executions, background } = this.#context.engine;
    const execution = executions.get(run_id.replace(/^run_/, ""));
    // A background process lives without clients, so nobody is counted there.
    const run = execution?.run ?? background.find(run_id)?.run;
    if (run === undefined)
      throw new EngineError(
        "not_found",
        `Cannot resume ${run_id}: there is no such run, or it has been let go`,
      );
    this.#tell(run, execution?.attend(), encoding, cursor);
  }

  #touch(message: Exclude<CommonMessage, { type: "ping" | "resume" }>, { run, input }: Telling): void {
    const onRefusal = (error: unknown) => this.#refuse(error, message.type);
    switch (message.type) {
      case "stdin": {
        const { data, encoding, ack, offset } = message;
        const bytes = encoding === "base64" ? decodeBase64(data) : new TextEncoder().encode(data);
        const tell = (total: number) =>
          this.#send({ type: "stdin_ack", accepted_bytes: total, run_id: run.id });
        input.write(bytes, { offset, onAccepted: ack ? tell : undefined, onRefusal });
        return;
      }
      case "stdin_end":
        input.end(onRefusal);
        return;
      case "signal":
      case "interrupt": {
        const signal = message.type === "signal" ? message.signal : "SIGINT";
        // Not waited for: a cell may take its time, and a cancel must not.
        void sendSignal(run, signal).catch(onRefusal);
        return;
      }
      case "cancel":
        void run.cancel("requested");
    }
  }

  #requireFree(): void {
    if (this.#current === undefined) return;
    throw new EngineError(
      "conflict",
      "A run is under way on this connection: wait for its end, or open another",
    );
  }

  #requireCurrent(): Telling {
    if (this.#current) return this.#current;
    throw new EngineError("conflict", "Nothing runs on this connection: send an execute message first");
  }

  #tell(run: Run, attendance: Disposable | undefined, encoding: Encoding, from?: StreamCursor): void {
    this.#farewell.abort();
    this.#farewell = new AbortController();
    this.#current = { run, encoding, from, input: StreamInput.of(run), attendance };
    this.#narrate(this.#current, this.#farewell.signal).catch((error: unknown) => this.#fault.reject(error));
  }

  /** A slow reader delays nobody: what it has not read stays in the journal, within its bounds. */
  async #narrate({ run, encoding, from, attendance }: Telling, isOver: AbortSignal): Promise<void> {
    const messages = new StreamMessages(run.id, encoding, this.#kind.kind);
    for await (const event of run.events(from)) {
      if (event.type === "ended") break;
      for (const message of messages.of(event)) if (!(await this.#send(message))) return;
    }
    const outcome = await run.outcome;
    this.#request.note({ end: outcome.end.cause });
    for (const message of messages.end(outcome)) if (!(await this.#send(message))) return;
    this.#current = undefined;
    attendance?.[Symbol.dispose]();
    this.#watchIdleness();
    await this.#socket.finish(this.#numbered(messages.complete(outcome)), isOver);
  }

  /** A refused start ends as every run does, because clients wait for that. */
  async #refuse(error: unknown, type: string): Promise<void> {
    const { body, isFault } = answerError(error, this.#request.raw, this.#request.id);
    if (isFault) this.#fault.reject(error);
    if (isFault) return;
    // What answers an error always has an object as its body.
    await this.#send({ type: "error", ...(body as object), refused: type });
    if (type === "execute" && this.#current === undefined)
      await this.#send({ type: "complete", success: false, timestamp: new Date().toISOString() });
  }

  #send(message: object): Promise<boolean> {
    return this.#socket.send(this.#numbered(message));
  }

  /** Without gaps on each connection, so that a client can tell that it missed one. */
  #numbered(message: object): object {
    return { ...message, seq: this.#sequence++ };
  }

  #watchIdleness(): void {
    clearTimeout(this.#idle);
    if (this.#current) return;
    const close = () => this.#connection.close(IDLE_CODE, "Nothing has run here for a while");
    this.#idle = setTimeout(close, IDLE_MS);
    this.#idle.unref();
  }
}
