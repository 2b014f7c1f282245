import { dlopen, ptr } from "bun:ffi";
import { ClientError } from "./connection.ts";

const CANDIDATES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"] as const;
/** More than a `struct termios` has anywhere. */
const TERMIOS_BYTES = 64;
const TCSADRAIN = 1;
const STDIN = 0;

/**
 * Hands keys and screen over to a program elsewhere until it is disposed of. The runtime's own raw mode still turns
 * each line feed of the output into two characters, which full-screen programs do not expect.
 */
export class RawTerminal implements Disposable {
  readonly #libc = load();
  readonly #before = new Uint8Array(TERMIOS_BYTES);
  readonly #onTermination = () => {
    this[Symbol.dispose]();
    process.exit(143);
  };

  /** @throws ClientError when stdin is no terminal. */
  constructor() {
    const raw = new Uint8Array(TERMIOS_BYTES);
    if (this.#libc.tcgetattr(STDIN, ptr(this.#before)) !== 0 || this.#libc.tcgetattr(STDIN, ptr(raw)) !== 0)
      throw new ClientError("Standard input is no terminal");
    this.#libc.cfmakeraw(ptr(raw));
    this.#libc.tcsetattr(STDIN, TCSADRAIN, ptr(raw));
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.once(signal, this.#onTermination);
  }

  [Symbol.dispose](): void {
    this.#libc.tcsetattr(STDIN, TCSADRAIN, ptr(this.#before));
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.off(signal, this.#onTermination);
  }
}

function load() {
  for (const name of CANDIDATES) {
    try {
      return dlopen(name, {
        tcgetattr: { args: ["i32", "ptr"], returns: "i32" },
        tcsetattr: { args: ["i32", "i32", "ptr"], returns: "i32" },
        cfmakeraw: { args: ["ptr"], returns: "void" },
      }).symbols;
    } catch {
      // Not this C library; the next candidate may be the one.
    }
  }
  throw new ClientError("A shell needs a C library that is not here");
}
