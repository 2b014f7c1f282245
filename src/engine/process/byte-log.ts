import type { FileHandle } from "node:fs/promises";

export interface ByteLogOptions {
  /** Bytes held in memory before the log moves to its file. */
  readonly memoryBytes: number;
  /** Bytes kept in all; above it the oldest are dropped. */
  readonly retainBytes: number;
  /** Opens the file of this log, empty, for reading and writing. Called at most once, when memory is full. */
  readonly openFile: () => Promise<FileHandle>;
  /** Told once when the file cannot be written; the log then keeps only what fits in memory. */
  readonly onFault: (cause: unknown) => void;
}

export interface LogSlice {
  /** Absolute offset of the first byte; larger than asked when the oldest bytes have been dropped. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const FIRST_PAGE = 1024;
const LARGEST_PAGE = 64 * 1024;
/** So much is read without copying. */
const LARGE_VIEW = LARGEST_PAGE / 4;

/**
 * A bounded log of bytes with absolute offsets. Invariant: `start <= memoryStart <= end`; the file, used as a
 * ring of `retainBytes`, holds `[start, memoryStart)` and the pages hold `[memoryStart, end)`. Bytes leave
 * the pages only after the file has them, and `start` moves before the ring overwrites anything, so a reader
 * that checks `start` after its read never returns torn bytes.
 */
export class ByteLog {
  readonly #options: ByteLogOptions;
  #pages: Uint8Array[] = [];
  #tail = new Uint8Array(0);
  #tailLength = 0;
  #start = 0;
  #memoryStart = 0;
  #end = 0;
  #file: FileHandle | undefined;
  #storage: "memory" | "file" | "broken" | "closed" = "memory";
  #flushing: Promise<void> | undefined;

  constructor(options: ByteLogOptions) {
    this.#options = options;
  }

  /** Absolute offset of the oldest byte still held. */
  get start(): number {
    return this.#start;
  }

  /** Absolute offset after the newest byte: how many bytes were ever appended. */
  get end(): number {
    return this.#end;
  }

  /**
   * Adds bytes, readable at once. Returns a promise when the writer should wait for the disk before it adds
   * more: that is how a fast producer is slowed instead of filling the daemon's memory.
   */
  append(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#storage === "closed" || bytes.byteLength === 0) return undefined;
    this.#hold(bytes);
    this.#end += bytes.byteLength;
    if (this.#end - this.#memoryStart <= this.#options.memoryBytes) return undefined;
    if (this.#storage === "broken" || this.#options.retainBytes <= this.#options.memoryBytes) {
      this.#dropFromMemory(Math.min(this.#options.retainBytes, this.#options.memoryBytes));
      return undefined;
    }
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return this.#end - this.#memoryStart > 2 * this.#options.memoryBytes ? this.#flushing : undefined;
  }

  /** Reads at most `limit` bytes at or after `offset`, which may be fewer than there are; empty at the end only. */
  async read(offset: number, limit: number): Promise<LogSlice> {
    for (;;) {
      const from = Math.max(offset, this.#start);
      if (from >= this.#memoryStart) return { offset: from, bytes: this.#readMemory(from, limit) };
      const bytes = await this.#readFile(from, Math.min(limit, this.#memoryStart - from));
      if (from >= this.#start && bytes.byteLength > 0) return { offset: from, bytes };
      if (this.#storage === "closed") return { offset: this.#end, bytes: new Uint8Array(0) };
    }
  }

  /** Frees memory and the file; what is read afterwards is empty. */
  async close(): Promise<void> {
    if (this.#storage === "closed") return;
    this.#storage = "closed";
    await this.#flushing;
    this.#pages = [];
    this.#tail = new Uint8Array(0);
    this.#tailLength = 0;
    this.#start = this.#memoryStart = this.#end;
    await this.#file?.close();
  }

  /** Small chunks are copied together, so that a thousand one-byte writes do not hold a thousand buffers. */
  #hold(bytes: Uint8Array): void {
    if (bytes.byteLength >= LARGEST_PAGE / 4) {
      this.#sealTail();
      // A small view must not keep a large buffer alive.
      this.#pages.push(bytes.byteLength * 2 < bytes.buffer.byteLength ? bytes.slice() : bytes);
      return;
    }
    if (this.#tailLength + bytes.byteLength > this.#tail.byteLength) {
      const size = Math.min(LARGEST_PAGE, Math.max(FIRST_PAGE, 2 * this.#tail.byteLength));
      this.#sealTail();
      this.#tail = new Uint8Array(Math.max(size, bytes.byteLength));
    }
    this.#tail.set(bytes, this.#tailLength);
    this.#tailLength += bytes.byteLength;
  }

  #sealTail(): void {
    if (this.#tailLength > 0) this.#pages.push(this.#tail.subarray(0, this.#tailLength));
    this.#tail = new Uint8Array(0);
    this.#tailLength = 0;
  }

  #dropFromMemory(keep: number): void {
    this.#sealTail();
    while (this.#end - this.#memoryStart > keep) {
      const oldest = this.#pages[0];
      if (oldest === undefined) break;
      const excess = this.#end - this.#memoryStart - keep;
      if (excess >= oldest.byteLength) this.#pages.shift();
      else this.#pages[0] = oldest.slice(excess);
      this.#memoryStart += Math.min(excess, oldest.byteLength);
    }
    this.#start = this.#memoryStart;
  }

  /** A view of one page where that is much or all there is, because what is in a page never changes; else a copy. */
  #readMemory(from: number, limit: number): Uint8Array {
    const length = Math.min(limit, this.#end - from);
    const pieces: Uint8Array[] = [];
    let [at, filled] = [this.#memoryStart, 0];
    for (const page of [...this.#pages, this.#tail.subarray(0, this.#tailLength)]) {
      if (filled >= length) break;
      const skip = Math.max(0, from + filled - at);
      at += page.byteLength;
      if (skip >= page.byteLength) continue;
      const piece = page.subarray(skip, skip + length - filled);
      filled += piece.byteLength;
      if (pieces.length === 0 && (piece.byteLength >= LARGE_VIEW || filled === length)) return piece;
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  }

  async #flush(): Promise<void> {
    try {
      this.#file ??= await this.#options.openFile();
      this.#storage = this.#storage === "closed" ? "closed" : "file";
      while (this.#storage === "file" && this.#end - this.#memoryStart > this.#options.memoryBytes) {
        this.#sealTail();
        const count = this.#pages.length;
        for (let i = 0; i < count; i++) await this.#moveOldestPage(this.#file);
      }
    } catch (cause) {
      if (this.#storage === "closed") return;
      this.#storage = "broken";
      this.#options.onFault(cause);
      this.#dropFromMemory(this.#options.memoryBytes);
    }
  }

  async #moveOldestPage(file: FileHandle): Promise<void> {
    const page = this.#pages[0];
    if (page === undefined) return;
    const capacity = this.#options.retainBytes;
    this.#start = Math.max(this.#start, this.#memoryStart + page.byteLength - capacity);
    // Of a page larger than the ring only the end can stay.
    let from = Math.max(0, page.byteLength - capacity);
    while (from < page.byteLength) {
      const position = (this.#memoryStart + from) % capacity;
      const length = Math.min(page.byteLength - from, capacity - position);
      const { bytesWritten } = await file.write(page, from, length, position);
      from += bytesWritten;
    }
    this.#pages.shift();
    this.#memoryStart += page.byteLength;
  }

  async #readFile(from: number, limit: number): Promise<Uint8Array> {
    if (this.#file === undefined) return new Uint8Array(0);
    const position = from % this.#options.retainBytes;
    const buffer = new Uint8Array(Math.min(limit, this.#options.retainBytes - position));
    const { bytesRead } = await this.#file.read(buffer, 0, buffer.byteLength, position);
    return buffer.subarray(0, bytesRead);
  }
}
