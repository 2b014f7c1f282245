import { EngineError } from "../../error.ts";
import { Wire } from "../wire.ts";
import { Marshaller, Unmarshaller } from "./marshal.ts";

/** One method of one object of a program on the bus. */
export interface Call {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly args?: readonly unknown[];
}

interface Waiting {
  readonly resolve: (values: readonly unknown[]) => void;
  readonly reject: (error: EngineError) => void;
}

const METHOD_CALL = 1;
const METHOD_RETURN = 2;
const ERROR = 3;
const FIELD = {
  path: 1,
  interface: 2,
  member: 3,
  errorName: 4,
  replySerial: 5,
  destination: 6,
  signature: 8,
};
const FIXED_BYTES = 16;
/** The specification's own bound. */
const MOST_MESSAGE_BYTES = 128 * 1024 * 1024;
/** A program that does not answer by then is stuck. */
const ANSWER_MS = 3000;

/** A client of a D-Bus daemon, over its socket file. */
export class Bus implements Disposable {
  readonly #wire: Wire;
  readonly #waiting = new Map<number, Waiting>();
  #serial = 0;
  #read = Buffer.alloc(0);
  #welcome: PromiseWithResolvers<void> | undefined = Promise.withResolvers();

  private constructor(wire: Wire) {
    this.#wire = wire;
    wire.onData = (bytes) => this.#received(bytes);
    void wire.closed.then(() => {
      this.#welcome?.reject(gone());
      for (const waiting of this.#waiting.values()) waiting.reject(gone());
      this.#waiting.clear();
    });
  }

  /** @throws EngineError `unavailable`. */
  static async connect(socketPath: string): Promise<Bus> {
    const wire = await Wire.open(socketPath);
    const bus = new Bus(wire);
    try {
      const uid = Buffer.from(String(process.getuid?.() ?? 0)).toString("hex");
      wire.write(new TextEncoder().encode(`\0AUTH EXTERNAL ${uid}\r\n`));
      await bus.#welcome?.promise;
      wire.write(new TextEncoder().encode("BEGIN\r\n"));
      await bus.call({ ...DAEMON, member: "Hello" });
    } catch (cause) {
      bus[Symbol.dispose]();
      throw new EngineError("unavailable", `Cannot use the bus at ${socketPath}: ${String(cause)}`, {
        cause,
      });
    }
    return bus;
  }

  get isOpen(): boolean {
    return this.#wire.isOpen;
  }

  /** The values that the method gives. @throws EngineError `not_found` when there is no such object, `unavailable`. */
  async call(call: Call): Promise<readonly unknown[]> {
    if (!this.#wire.isOpen) throw gone();
    const serial = ++this.#serial;
    const { promise, resolve, reject } = Promise.withResolvers<readonly unknown[]>();
    this.#waiting.set(serial, { resolve, reject });
    const timer = setTimeout(() => {
      this.#waiting.delete(serial);
      reject(new EngineError("unavailable", `${call.destination} does not answer ${call.member}`));
    }, ANSWER_MS);
    this.#wire.write(toMessage(serial, call));
    return promise.finally(() => clearTimeout(timer));
  }

  [Symbol.dispose](): void {
    this.#wire[Symbol.dispose]();
  }

  #received(bytes: Uint8Array): void {
    this.#read = this.#read.byteLength === 0 ? Buffer.from(bytes) : Buffer.concat([this.#read, bytes]);
    if (this.#welcome) {
      this.#answered(this.#welcome);
      return;
    }
    for (let size = this.#nextSize(); size !== undefined; size = this.#nextSize()) {
      const message = this.#read.subarray(0, size);
      this.#read = this.#read.subarray(size);
      this.#deliver(message);
    }
  }

  #answered(welcome: PromiseWithResolvers<void>): void {
    const end = this.#read.indexOf("\r\n");
    if (end < 0) return;
    const line = this.#read.toString("latin1", 0, end);
    this.#read = this.#read.subarray(end + 2);
    this.#welcome = undefined;
    if (line.startsWith("OK")) welcome.resolve();
    else welcome.reject(new EngineError("unavailable", `The bus refused the connection: ${line}`));
  }

  /** Of the first message, once all of it is there. */
  #nextSize(): number | undefined {
    if (this.#read.byteLength < FIXED_BYTES) return undefined;
    const fields = this.#read.readUInt32LE(12);
    const size = FIXED_BYTES + fields + (-fields & 7) + this.#read.readUInt32LE(4);
    if (size > MOST_MESSAGE_BYTES) throw new RangeError(`A message of ${size} bytes`);
    return this.#read.byteLength >= size ? size : undefined;
  }

  #deliver(message: Uint8Array): void {
    const type = message[1];
    if (type !== METHOD_RETURN && type !== ERROR) return;
    const reader = new Unmarshaller(message).skip(12);
    // Safe: the signature says so.
    const fields = new Map(reader.read("a(yv)") as [number, unknown][]);
    const serial = Number(fields.get(FIELD.replySerial));
    const waiting = this.#waiting.get(serial);
    this.#waiting.delete(serial);
    if (!waiting) return;
    const values = reader.align(8).readAll(textOf(fields.get(FIELD.signature)));
    if (type === METHOD_RETURN) waiting.resolve(values);
    else waiting.reject(toError(textOf(fields.get(FIELD.errorName)), textOf(values[0])));
  }
}

export const DAEMON = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
} as const;

function toMessage(serial: number, { signature = "", args = [], ...call }: Call): Uint8Array {
  const body = new Marshaller();
  const types = signature === "" ? [] : signature.match(/a*(\([^)]*\)|.)/g);
  types?.forEach((type, i) => void body.write(type, args[i]));
  const field = (code: number, type: string, value: string) => [code, { signature: type, value }];
  const message = new Marshaller();
  const NO_FLAGS = 0;
  const VERSION = 1;
  for (const byte of ["l".charCodeAt(0), METHOD_CALL, NO_FLAGS, VERSION]) message.write("y", byte);
  message.write("u", body.bytes.byteLength).write("u", serial);
  message.write("a(yv)", [
    field(FIELD.path, "o", call.path),
    field(FIELD.destination, "s", call.destination),
    field(FIELD.interface, "s", call.interface),
    field(FIELD.member, "s", call.member),
    ...(signature === "" ? [] : [field(FIELD.signature, "g", signature)]),
  ]);
  return Buffer.concat([message.align(8).bytes, body.bytes]);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function toError(name: string, text: string): EngineError {
  const isLost = /Unknown(Object|Method|Interface)|ServiceUnknown|NoReply|Disconnected|NameHasNoOwner/.test(
    name,
  );
  return new EngineError(isLost ? "not_found" : "unavailable", `${name}: ${text}`);
}

function gone(): EngineError {
  return new EngineError("unavailable", "The bus has gone");
}
