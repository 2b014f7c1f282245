import { EngineError } from "../../error.ts";
import { Wire } from "../wire.ts";
import { Frame, FrameSplitter } from "./frames.ts";
import { Packet } from "./packet.ts";
import { greeting, readSetup, setupLength, type ServerFacts } from "./setup.ts";

export interface Extension {
  readonly opcode: number;
  readonly firstEvent: number;
}

interface Waiting {
  resolve(reply: Frame): void;
  reject(error: EngineError): void;
}

const OPCODE_QUERY_EXTENSION = 98;
const OPCODE_GET_INPUT_FOCUS = 43;
/** The core protocol's errors by number (X11 protocol, appendix B). */
const ERRORS =
  "Unknown Request Value Window Pixmap Atom Cursor Font Match Drawable Access Alloc Colormap GContext IDChoice Name Length Implementation".split(
    " ",
  );

/** Asked for after the connection has gone. */
function goneError(): EngineError {
  return new EngineError("unavailable", "The display has gone");
}

/**
 * One client of an X server, over its socket file: requests in order, replies to who asked, events to whoever
 * listens. No process is started for anything it does.
 */
export class XConnection implements Disposable {
  readonly facts: ServerFacts;
  /** Settles when the connection is gone, for whatever reason. */
  readonly closed: Promise<void>;
  readonly #wire: Wire;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<(event: Frame) => void>();
  readonly #extensions = new Map<string, Promise<Extension | undefined>>();
  #sent = 0;
  #seen = 0;
  #ids = 0;

  private constructor(wire: Wire, facts: ServerFacts) {
    this.#wire = wire;
    this.facts = facts;
    const splitter = new FrameSplitter((frame) => this.#receive(frame));
    wire.onData = (bytes) => splitter.push(bytes);
    this.closed = wire.closed.then(() => {
      for (const one of this.#waiting.values()) one.reject(goneError());
      this.#waiting.clear();
    });
  }

  /** @throws EngineError `unavailable` when nobody listens there or the cookie is wrong. */
  static async connect(socketPath: string, cookie: Uint8Array): Promise<XConnection> {
    const wire = await Wire.open(socketPath);
    try {
      const answer = Promise.withResolvers<Frame>();
      let read = new Uint8Array(0);
      wire.onData = (bytes) => {
        read = Buffer.concat([read, bytes]);
        const frame = new Frame(read);
        if (read.byteLength >= 8 && read.byteLength >= setupLength(frame)) answer.resolve(frame);
      };
      wire.write(greeting(cookie));
      void wire.closed.then(() => answer.reject(goneError()));
      return new XConnection(wire, readSetup(await answer.promise));
    } catch (cause) {
      wire[Symbol.dispose]();
      throw new EngineError("unavailable", `Cannot use the display: ${String(cause)}`, { cause });
    }
  }

  get isOpen(): boolean {
    return this.#wire.isOpen;
  }

  /** A resource id nobody has used. */
  newId(): number {
    return (this.facts.idBase | (this.#ids++ & this.facts.idMask)) >>> 0;
  }

  /** Sends a request that has no reply; what is wrong with it is not told. Use `check` where that matters. */
  send(packet: Packet): number {
    if (!this.#wire.isOpen) throw goneError();
    this.#wire.write(packet.finish());
    return ++this.#sent;
  }

  /** Sends a request and gives its reply. @throws EngineError `not_found` for an id that is none, `internal`. */
  ask(packet: Packet): Promise<Frame> {
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    this.#waiting.set(this.send(packet), { resolve, reject });
    return promise;
  }

  /** Sends a request that has no reply and waits until the server has done it. @throws as `ask`. */
  async check(packet: Packet): Promise<void> {
    const done = Promise.withResolvers<unknown>();
    const sequence = this.send(packet);
    this.#waiting.set(sequence, done);
    const synced = this.sync().then(() => {
      this.#waiting.delete(sequence);
      done.resolve(undefined);
    });
    await Promise.all([done.promise, synced]);
  }

  /** Waits until the server has done everything sent so far. */
  async sync(): Promise<void> {
    await this.ask(new Packet(OPCODE_GET_INPUT_FOCUS));
  }

  /** Whether the server has an extension, and under which numbers; asked once. */
  extension(name: string): Promise<Extension | undefined> {
    const known = this.#extensions.get(name);
    if (known) return known;
    const asked = this.ask(new Packet(OPCODE_QUERY_EXTENSION).u16(name.length, 0).text(name)).then((reply) =>
      reply.u8(8) === 1 ? { opcode: reply.u8(9), firstEvent: reply.u8(10) } : undefined,
    );
    this.#extensions.set(name, asked);
    return asked;
  }

  /** As `extension`. @throws EngineError `unsupported` when the server does not have it. */
  async requireExtension(name: string): Promise<Extension> {
    const found = await this.extension(name);
    if (found) return found;
    throw new EngineError("unsupported", `The display has no ${name} extension`);
  }

  /** Calls back for every event until the result is disposed. */
  listen(listener: (event: Frame) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  [Symbol.dispose](): void {
    this.#wire[Symbol.dispose]();
  }

  #receive(frame: Frame): void {
    if (frame.code > 1) {
      for (const listener of [...this.#listeners]) listener(frame);
      return;
    }
    const sequence = this.#sequenceOf(frame);
    const waiting = this.#waiting.get(sequence);
    this.#waiting.delete(sequence);
    // An error of a request that nobody checks, such as a message to a window that has just gone.
    if (!waiting) return;
    if (frame.code === 1) waiting.resolve(frame);
    else waiting.reject(toError(frame));
  }

  /** Messages carry the low 16 bits of the number of the request they belong to. */
  #sequenceOf(frame: Frame): number {
    const low = frame.u16(2);
    let sequence = this.#seen - (this.#seen & 0xffff) + low;
    if (sequence < this.#seen) sequence += 0x10000;
    this.#seen = sequence;
    return sequence;
  }
}

function toError(frame: Frame): EngineError {
  const name = ERRORS[frame.u8(1)] ?? `number ${frame.u8(1)}`;
  const isLost = ["Window", "Drawable", "Pixmap"].includes(name);
  const what = `the display says Bad${name} (value ${frame.u32(4)}, request ${frame.u8(10)}.${frame.u16(8)})`;
  return isLost
    ? new EngineError("not_found", `There is no such window: ${what}`)
    : new EngineError("internal", `The display refused a request: ${what}`);
}
