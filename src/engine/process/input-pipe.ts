import { closeSync, writeSync } from "node:fs";
import { EngineError } from "../error.ts";

/** Bytes that wait in the daemon until the program reads; the pipe itself holds 64 KiB more. */
export const INPUT_CAPACITY = 1024 * 1024;
/** Handed to the runtime at once: what it has taken cannot be taken back. */
const PIECE_BYTES = 64 * 1024;

/**
 * `closing`: nothing more may be written, what waits is still handed on; `refused`: the program has closed its
 * end; `closed`: the program reads an end of file, or has ended.
 */
export type InputState = "open" | "closing" | "closed" | "refused";

/**
 * The daemon's end of a program's stdin. It never blocks: what the pipe does not take waits here, up to a bound
 * at which a write is refused as a whole.
 */
export class InputPipe implements Disposable {
  readonly #fd: number;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #state: InputState = "open";
  #change: PromiseWithResolvers<void> | undefined;

  /**
   * @param fd The writing end, which must not block; closed by this.
   * @param beginning Input that was given with the start, of whatever size.
   */
  constructor(fd: number, beginning: Uint8Array) {
    this.#fd = fd;
    // A program that has closed its stdin at once does not want it; the next write says so.
    this.#accept(beginning);
  }

  get state(): InputState {
    return this.#state;
  }

  /** Bytes accepted that the pipe has not taken yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /**
   * Accepts all of the bytes or none.
   * @throws EngineError `conflict` when it is not open, `busy` when the program does not read what is there,
   * `too_large` for more than can ever wait.
   */
  write(bytes: Uint8Array): void {
    this.#requireOpen();
    if (bytes.byteLength > INPUT_CAPACITY)
      throw new EngineError(
        "too_large",
        `Cannot write ${bytes.byteLength} bytes to stdin at once: at most ${INPUT_CAPACITY}`,
      );
    if (this.#waitingBytes + bytes.byteLength > INPUT_CAPACITY)
      throw new EngineError(
        "busy",
        `Cannot write to stdin now: ${this.#waitingBytes} bytes wait for the program to read them, of ${INPUT_CAPACITY} that may`,
      );
    this.#accept(bytes);
    this.#requireOpen();
  }

  /** The program reads an end of file after all that was written. @throws EngineError as `write`. */
  end(): void {
    if (this.#state !== "closing" && this.#state !== "closed") this.#requireOpen();
    if (this.#state !== "open") return;
    this.#state = "closing";
    if (this.#waitingBytes === 0) this.#close("closed");
  }

  /** Settles when at most half of what may wait does, or it is closed: for whoever has more than fits at once. */
  async room(): Promise<void> {
    while (this.#waitingBytes > INPUT_CAPACITY / 2) {
      this.#change ??= Promise.withResolvers();
      await this.#change.promise;
    }
  }

  /** Throws away what waits. */
  [Symbol.dispose](): void {
    this.#settle("closed");
  }

  #requireOpen(): void {
    if (this.#state === "open") return;
    const reason = {
      closing: "it has been closed",
      closed: "it has been closed",
      refused: "the program has closed it",
    };
    throw new EngineError("conflict", `Cannot write to stdin: ${reason[this.#state]}`);
  }

  #accept(bytes: Uint8Array): void {
    const taken = this.#waitingBytes === 0 ? this.#writeNow(bytes) : 0;
    const isOver = this.#state === "refused" || taken === bytes.byteLength;
    if (isOver) return;
    const isIdle = this.#waitingBytes === 0;
    // Of its own: a view of the request's body would keep all of it.
    this.#waiting.push(bytes.slice(taken));
    this.#waitingBytes += bytes.byteLength - taken;
    if (isIdle) void this.#pump();
  }

  /** What the pipe takes at once. */
  #writeNow(bytes: Uint8Array): number {
    let at = 0;
    try {
      while (at < bytes.byteLength) at += writeSync(this.#fd, bytes, at);
    } catch (error) {
      const isFull = error instanceof Error && "code" in error && error.code === "EAGAIN";
      // EPIPE; the runtime ignores SIGPIPE, so nobody dies of it.
      if (!isFull) this.#close("refused");
    }
    return at;
  }

  async #pump(): Promise<void> {
    try {
      await this.#handOn();
      if (this.#state === "closing") this.#close("closed");
    } catch {
      // EPIPE: the next write, if any, tells the client.
      this.#settle("refused");
    }
  }

  /** The runtime's writer waits for room in the pipe; it works on a descriptor of its own. */
  async #handOn(): Promise<void> {
    const writer = Bun.file(this.#fd).writer({ highWaterMark: 1 });
    try {
      for (let piece = this.#nextPiece(); piece !== undefined; piece = this.#nextPiece()) {
        await writer.write(piece);
        await writer.flush();
        this.#waitingBytes = Math.max(0, this.#waitingBytes - piece.byteLength);
        this.#wake();
      }
    } finally {
      await writer.end();
    }
  }

  #nextPiece(): Uint8Array | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    if (first.byteLength <= PIECE_BYTES) this.#waiting.shift();
    else this.#waiting[0] = first.subarray(PIECE_BYTES);
    return first.subarray(0, PIECE_BYTES);
  }

  #settle(state: "closed" | "refused"): void {
    if (this.#state === "open" || this.#state === "closing") this.#close(state);
  }

  #close(state: "closed" | "refused"): void {
    this.#state = state;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#wake();
    closeSync(this.#fd);
  }

  #wake(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }
}
