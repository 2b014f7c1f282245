import { EngineError } from "../../engine/error.ts";
import type { Run } from "../../engine/run.ts";
import { endInput, writeInput } from "./stream-control.ts";

/** Input that waits for a program to read; the message that would exceed it is refused. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024;

interface InputPiece {
  /** Where in all of the run's input the bytes begin; absent: after what was taken before. */
  readonly offset?: number | undefined;
  /** Told how many bytes the program has been given in all when these are among them. */
  readonly onAccepted?: ((total: number) => Promise<unknown>) | undefined;
  /** Told why the program could not be given what was taken before. */
  readonly onRefusal: (error: unknown) => Promise<void>;
}

const inputs = new WeakMap<Run, StreamInput>();

/**
 * The input of one run, whichever connection it comes on: handed on in order, while signals and a cancel pass it by.
 * A client that lost its connection and cannot know what has arrived says it again with its offset.
 */
export class StreamInput {
  readonly #run: Run;
  #last: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  #takenBytes = 0;
  #acceptedBytes = 0;

  private constructor(run: Run) {
    this.#run = run;
  }

  static of(run: Run): StreamInput {
    const known = inputs.get(run) ?? new StreamInput(run);
    inputs.set(run, known);
    return known;
  }

  /**
   * Bytes that were taken before are passed over.
   * @throws EngineError `busy` when too much waits already, `invalid` when bytes before the offset are missing.
   */
  write(bytes: Uint8Array, { offset, onAccepted, onRefusal }: InputPiece): void {
    const fresh = this.#fresh(bytes, offset);
    if (this.#waitingBytes + fresh.byteLength > MOST_WAITING_BYTES)
      throw new EngineError(
        "busy",
        `Cannot take ${bytes.byteLength} bytes of input now: ${this.#waitingBytes} wait for the program to read them`,
      );
    this.#takenBytes += fresh.byteLength;
    this.#waitingBytes += fresh.byteLength;
    this.#queue(async () => {
      // A cell takes an empty answer as one; what it has been given already is none.
      if (fresh.byteLength > 0 || bytes.byteLength === 0) await this.#handOn(fresh);
      await onAccepted?.(this.#acceptedBytes);
    }, onRefusal);
  }

  /** After what was written before. */
  end(onRefusal: InputPiece["onRefusal"]): void {
    this.#queue(() => {
      endInput(this.#run);
      return Promise.resolve();
    }, onRefusal);
  }

  #fresh(bytes: Uint8Array, offset: number | undefined): Uint8Array {
    if (offset === undefined) return bytes;
    if (offset > this.#takenBytes)
      throw new EngineError(
        "invalid",
        `Cannot take input from offset ${offset}: only ${this.#takenBytes} bytes have been sent before`,
      );
    return bytes.subarray(this.#takenBytes - offset);
  }

  async #handOn(bytes: Uint8Array): Promise<void> {
    try {
      await writeInput(this.#run, bytes);
      this.#acceptedBytes += bytes.byteLength;
    } catch (error) {
      this.#takenBytes -= bytes.byteLength;
      throw error;
    } finally {
      this.#waitingBytes -= bytes.byteLength;
    }
  }

  #queue(act: () => Promise<void>, onRefusal: InputPiece["onRefusal"]): void {
    this.#last = this.#last.then(act).catch(onRefusal);
  }
}
