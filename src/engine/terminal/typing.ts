import { EngineError } from "../error.ts";
import type { TerminalSession } from "./session.ts";

/** Input that waits for a program to read; what would exceed it is refused as a whole. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024;

/** What one holder types, handed on in order; signals and sizes pass it by when the program does not read. */
export class Typing {
  readonly #session: TerminalSession;
  readonly #gone: AbortSignal;
  readonly #onFault: (error: unknown) => void;
  #last: Promise<void> = Promise.resolve();
  #waitingBytes = 0;

  /**
   * @param gone Aborted when the holder is: nothing more is handed on.
   * @param onFault Told why something could not be handed on, unless the program has ended.
   */
  constructor(session: TerminalSession, gone: AbortSignal, onFault: (error: unknown) => void) {
    this.#session = session;
    this.#gone = gone;
    this.#onFault = onFault;
  }

  /** @throws EngineError `busy` when too much waits already. */
  add(bytes: Uint8Array): void {
    if (this.#waitingBytes + bytes.byteLength > MOST_WAITING_BYTES)
      throw new EngineError(
        "busy",
        `Cannot take ${bytes.byteLength} bytes of input now: ${this.#waitingBytes} wait for the program to read them`,
      );
    this.#waitingBytes += bytes.byteLength;
    this.#last = this.#last.then(() => this.#handOn(bytes));
  }

  async #handOn(bytes: Uint8Array): Promise<void> {
    try {
      await this.#session.write(bytes, this.#gone);
    } catch (error) {
      // Of a program that has ended its reader is told the rest and the end.
      if (this.#session.isRunning) this.#onFault(error);
    } finally {
      this.#waitingBytes -= bytes.byteLength;
    }
  }
}
