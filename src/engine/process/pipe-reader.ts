import { closeSync } from "node:fs";
import { bytesWaiting, isReadable } from "./libc.ts";

/** More than the runtime ever holds read but undelivered, so that "everything so far" is surely included. */
const READ_AHEAD_BYTES = 1024 * 1024;

/** How much may be read, over all pipes, before the buffers it came in are collected. */
const COLLECT_AFTER_BYTES = 96 * 1024 * 1024;
let uncollectedBytes = 0;

/**
 * The runtime hands every 64 KiB over in a new buffer and sees no hurry to free them: 1 GiB of output took 40 MiB
 * more memory without this. Done for every 32 MiB it was a tenth of all that a large output cost.
 */
function collectGarbage(bytes: number): void {
  uncollectedBytes += bytes;
  if (uncollectedBytes < COLLECT_AFTER_BYTES) return;
  uncollectedBytes = 0;
  Bun.gc(true);
}

/**
 * Reads one pipe, or the daemon's side of a terminal, to its end and hands every chunk on. Where the receiver returns a promise, reading pauses
 * until it settles; the pipe fills and the writing program waits.
 */
export class PipeReader {
  readonly #fd: number;
  readonly #onBytes: (bytes: Uint8Array) => Promise<void> | undefined;
  readonly #reader: ReturnType<typeof openReader>;
  #received = 0;
  /** True while a read is under way and nothing has come: then the runtime holds nothing back. */
  #waiting = false;
  #isClosed = false;
  #progress: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Settles when the last holder of the pipe's other end is gone, or after `close`. */
  readonly closed: Promise<void>;

  constructor(fd: number, onBytes: (bytes: Uint8Array) => Promise<void> | undefined) {
    this.#fd = fd;
    this.#onBytes = onBytes;
    this.#reader = openReader(fd);
    this.closed = this.#pump();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Settles when everything written before this call has been handed on, also if the pipe stays open. */
  async drained(): Promise<void> {
    // The usual case: whoever held the other end is gone, and its end of file has been read.
    if (this.isClosed) return;
    await nextTurn();
    const enough = this.#received + bytesWaiting(this.#fd) + READ_AHEAD_BYTES;
    while (!this.#isClosed && this.#received < enough) {
      if (this.#waiting && !isReadable(this.#fd)) return;
      await this.#progress.promise;
      await nextTurn();
    }
  }

  /** Stops reading; a program that still writes gets EPIPE. */
  async close(): Promise<void> {
    if (!this.#isClosed) await this.#reader.cancel().catch(() => undefined);
    await this.closed;
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        this.#waiting = true;
        const { done, value } = await this.#reader.read();
        this.#waiting = false;
        if (done) return;
        this.#received += value.byteLength;
        collectGarbage(value.byteLength);
        const wait = this.#onBytes(value);
        if (wait) await wait;
        this.#advance();
      }
    } catch (error) {
      if (!isHangUp(error)) throw error;
    } finally {
      this.#isClosed = true;
      this.#advance();
      closeSync(this.#fd);
    }
  }

  #advance(): void {
    this.#progress.resolve();
    this.#progress = Promise.withResolvers();
  }
}

function openReader(fd: number) {
  return Bun.file(fd).stream().getReader();
}

/** How a terminal says that nobody holds its other side any more. */
function isHangUp(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EIO";
}

function nextTurn(): Promise<void> {
  return new Promise((resume) => setImmediate(resume));
}
