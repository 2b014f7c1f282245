import { EngineError } from "../../engine/error.ts";
import type { Run } from "../../engine/run.ts";
import { endInput, writeInput } from "./stream-control.ts";

/** Input that waits for a program to read; the message that would exceed it is refused. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024;

/** The input of one run from one client: handed on in order, while signals and a cancel pass it by. */
export class StreamInput {
  readonly #run: Run;
  readonly #onRefusal: (error: unknown) => Promise<void>;
  #last: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  #acceptedBytes = 0;

  /** @param onRefusal Told why the program could not be given what was taken before. */
  constructor(run: Run, onRefusal: (error: unknown) => Promise<void>) {
    this.#run = run;
    this.#onRefusal = onRefusal;
  }

  /**
   * @param onAccepted Told how many bytes the program has been given in all when these are among them.
   * @throws EngineError `busy` when too much waits already.
   */
  write(bytes: Uint8Array, onAccepted?: (total: number) => Promise<unknown>): void {
    if (this.#waitingBytes + bytes.byteLength > MOST_WAITING_BYTES)
      throw new EngineError(
        "busy",
        `Cannot take ${bytes.byteLength} bytes of input now: ${this.#waitingBytes} wait for the program to read them`,
      );
    this.#waitingBytes += bytes.byteLength;
    this.#queue(async () => {
      try {
        await writeInput(this.#run, bytes);
      } finally {
        this.#waitingBytes -= bytes.byteLength;
      }
      this.#acceptedBytes += bytes.byteLength;
      await onAccepted?.(this.#acceptedBytes);
    });
  }

  /** After what was written before. */
  end(): void {
    this.#queue(() => {
      endInput(this.#run);
      return Promise.resolve();
    });
  }

  #queue(act: () => Promise<void>): void {
    this.#last = this.#last.then(act).catch(this.#onRefusal);
  }
}
