import { encodeFrame, FrameParser, ZmtpError, type Frame, type SkippedFrame } from "./zmtp-frame.ts";
import {
  checkGreeting,
  checkReady,
  commandName,
  greeting,
  GREETING_BYTES,
  ready,
  type SocketType,
} from "./zmtp-handshake.ts";

export interface ZmtpLimits {
  /** Bytes of one message that are held; of a larger one the frames that do not fit are skipped. */
  readonly messageBytes: number;
  /** Frames of one message. */
  readonly frames: number;
}

/** The frames of one message, in order. */
export type ZmtpMessage = readonly (Uint8Array | SkippedFrame)[];

/**
 * One ZMTP connection as a state machine: greeting, handshake, traffic. Pure: bytes come in through `receive`,
 * bytes to send go out through its result and `send`.
 */
export class ZmtpConnection {
  readonly #type: SocketType;
  readonly #identity: string;
  readonly #limits: ZmtpLimits;
  readonly #parser = new FrameParser();
  #state: "greeting" | "handshake" | "open" = "greeting";
  #greeting = new Uint8Array(0);
  #frames: (Uint8Array | SkippedFrame)[] = [];
  #heldBytes = 0;

  /** @param identity How a ROUTER at the other end addresses this connection; empty: it makes a name up. */
  constructor(type: SocketType, identity: string, limits: ZmtpLimits) {
    this.#type = type;
    this.#identity = identity;
    this.#limits = limits;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** What to send first. Both sides may send all of their greeting at once, and READY when they have the other's. */
  begin(): Uint8Array[] {
    return [greeting()];
  }

  /**
   * Takes what the peer sent: gives the messages that end within it, and what is to be sent in return.
   * @throws ZmtpError when the peer breaks the protocol; the connection must then be closed.
   */
  receive(bytes: Uint8Array): { messages: ZmtpMessage[]; reply: Uint8Array[] } {
    const messages: ZmtpMessage[] = [];
    const reply: Uint8Array[] = [];
    const rest = this.#state === "greeting" ? this.#readGreeting(bytes, reply) : bytes;
    if (rest === undefined) return { messages, reply };
    for (const frame of this.#parser.push(rest, () => this.#limits.messageBytes - this.#heldBytes)) {
      if (frame.kind === "command") reply.push(...this.#command(frame.body));
      else this.#collect(frame, messages);
    }
    return { messages, reply };
  }

  /** The bytes of a message. @throws ZmtpError before the handshake is over. */
  send(frames: readonly Uint8Array[]): Uint8Array[] {
    if (this.#state !== "open") throw new ZmtpError("the handshake is not over");
    return frames.flatMap((body, index) => encodeFrame("message", body, index < frames.length - 1));
  }

  /** The rest after the greeting, once it is complete. */
  #readGreeting(bytes: Uint8Array, reply: Uint8Array[]): Uint8Array | undefined {
    const missing = GREETING_BYTES - this.#greeting.byteLength;
    this.#greeting = Buffer.concat([this.#greeting, bytes.subarray(0, missing)]);
    checkGreeting(this.#greeting);
    if (this.#greeting.byteLength < GREETING_BYTES) return undefined;
    this.#state = "handshake";
    reply.push(...encodeFrame("command", ready(this.#type, this.#identity), false));
    return bytes.subarray(missing);
  }

  #command(body: Uint8Array): Uint8Array[] {
    if (this.#state === "handshake") {
      checkReady(body, this.#type);
      this.#state = "open";
      // A subscription to everything (version 3.0 sends it as a message).
      return this.#type === "SUB" ? this.send([Uint8Array.of(1)]) : [];
    }
    const { name, rest } = commandName(body);
    // Two bytes of time to live, then what is to be sent back.
    if (name !== "PING") return [];
    const pong = Buffer.concat([Uint8Array.of(4), Buffer.from("PONG"), rest.subarray(2, 18)]);
    return encodeFrame("command", pong, false);
  }

  #collect(frame: Extract<Frame, { kind: "message" }>, messages: ZmtpMessage[]): void {
    if (this.#state !== "open") throw new ZmtpError("a message came before the handshake was over");
    this.#frames.push(frame.body);
    if (frame.body instanceof Uint8Array) this.#heldBytes += frame.body.byteLength;
    if (this.#frames.length > this.#limits.frames)
      throw new ZmtpError(`a message has more than ${this.#limits.frames} frames`);
    if (frame.more) return;
    messages.push(this.#frames);
    this.#frames = [];
    this.#heldBytes = 0;
  }
}
