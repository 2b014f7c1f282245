import { closeSync } from "node:fs";
import { EngineError } from "../error.ts";
import { addInotifyWatch, openInotify, removeInotifyWatch } from "../process/libc.ts";

/** inotify(7), in the words of its bits. */
export const IN = {
  MODIFY: 0x2,
  ATTRIB: 0x4,
  CLOSE_WRITE: 0x8,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  DELETE_SELF: 0x400,
  MOVE_SELF: 0x800,
  UNMOUNT: 0x2000,
  Q_OVERFLOW: 0x4000,
  IGNORED: 0x8000,
  ONLYDIR: 0x1000000,
  DONT_FOLLOW: 0x2000000,
  EXCL_UNLINK: 0x4000000,
  ISDIR: 0x40000000,
} as const;

const MASK =
  IN.MODIFY |
  IN.ATTRIB |
  IN.CLOSE_WRITE |
  IN.MOVED_FROM |
  IN.MOVED_TO |
  IN.CREATE |
  IN.DELETE |
  IN.DELETE_SELF |
  IN.MOVE_SELF |
  IN.ONLYDIR |
  IN.EXCL_UNLINK;

/** What the kernel says about one directory or an entry of it. */
export interface RawEvent {
  readonly watch: number;
  readonly mask: number;
  /** The same for both halves of a rename. */
  readonly cookie: number;
  /** Empty for the directory itself. */
  readonly name: string;
}

/** Bytes read and not yet looked at; beyond it they are thrown away, as the kernel does with its own queue. */
const MOST_WAITING_BYTES = 16 * 1024 * 1024;
const HEADER_BYTES = 16;
const OVERFLOW: RawEvent = { watch: -1, mask: IN.Q_OVERFLOW, cookie: 0, name: "" };

/**
 * One queue of the kernel for changes in directories (inotify). It is emptied as fast as it fills, because the
 * kernel's own holds 16,384 events; what has been read waits here, within a bound.
 */
export class WatchQueue implements AsyncDisposable {
  readonly #fd: number;
  readonly #reader: ReturnType<typeof openReader>;
  readonly #reading: Promise<void>;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #hasOverflown = false;
  #isClosed = false;
  #arrival: PromiseWithResolvers<void> = Promise.withResolvers();

  /** @throws EngineError `busy` when the kernel gives no further one. */
  constructor() {
    const fd = openInotify();
    if (fd === undefined)
      throw new EngineError(
        "busy",
        "Cannot watch files: too many watchers are open (see fs.inotify.max_user_instances)",
      );
    this.#fd = fd;
    this.#reader = openReader(fd);
    this.#reading = this.#read();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** @param path Of a directory. */
  add(path: string): number | "too_many" | "refused" {
    return addInotifyWatch(this.#fd, path, MASK);
  }

  remove(watch: number): void {
    removeInotifyWatch(this.#fd, watch);
  }

  /** Settles when there is something to take, or it has been closed. */
  get arrival(): Promise<void> {
    return this.#waitingBytes > 0 || this.#hasOverflown || this.#isClosed
      ? Promise.resolve()
      : this.#arrival.promise;
  }

  /** Everything read so far, in order. */
  take(): RawEvent[] {
    const events = this.#waiting.flatMap(parse);
    if (this.#hasOverflown) events.push(OVERFLOW);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#hasOverflown = false;
    return events;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) await this.#reader.cancel();
    await this.#reading;
  }

  async #read(): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) return;
        if (this.#waitingBytes > MOST_WAITING_BYTES) this.#hasOverflown = true;
        else this.#hold(value);
        this.#wake();
      }
    } finally {
      this.#isClosed = true;
      closeSync(this.#fd);
      this.#wake();
    }
  }

  #hold(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.byteLength;
  }

  #wake(): void {
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
  }
}

function openReader(fd: number) {
  return Bun.file(fd).stream().getReader();
}

/** `struct inotify_event`, one after the other: watch, mask, cookie, length of the name, and the name with zeros. */
function parse(bytes: Uint8Array): RawEvent[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder();
  const events: RawEvent[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.byteLength;) {
    const length = view.getUint32(at + 12, true);
    const text = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    const end = text.indexOf(0);
    events.push({
      watch: view.getInt32(at, true),
      mask: view.getUint32(at + 4, true),
      cookie: view.getUint32(at + 8, true),
      name: decoder.decode(end < 0 ? text : text.subarray(0, end)),
    });
    at += HEADER_BYTES + length;
  }
  return events;
}
