import type { RunEnd, Stream } from "../run.ts";
import type { TerminalLog } from "./terminal-log.ts";

/** `holder`: the one that types; `viewer`: one of many that look on. */
export type Role = "holder" | "viewer";

/** What one attached reader is told, in order; `exit` or `taken_over` comes once and last. */
export type TerminalEvent =
  | {
      readonly type: "output";
      readonly offset: number;
      readonly bytes: Uint8Array;
      /** Undefined for bytes so old that only their order is known. */
      readonly stream: Stream | undefined;
    }
  /** The reader came too late for these bytes, or was too slow: they are gone. */
  | { readonly type: "skipped"; readonly offset: number; readonly length: number }
  | { readonly type: "exit"; readonly end: RunEnd }
  /** Another holder has come. */
  | { readonly type: "taken_over" };

/** One start of a session's program, up to its end. */
export interface Life {
  /** How it ended and where its output did; undefined while it runs. */
  ended: { readonly end: RunEnd; readonly offset: number } | undefined;
}

const PIECE_BYTES = 32 * 1024;
/** A holder that takes nothing for so long has stopped reading; its program goes on without waiting for it. */
const STALL_MS = 2000;

/** One reader of a session, at its own pace. */
export class Attachment implements Disposable {
  readonly #log: TerminalLog;
  readonly #life: Life;
  readonly #onDetach: (attachment: Attachment) => void;
  #offset: number;
  #detached: "taken_over" | "left" | undefined;
  readonly #gone: PromiseWithResolvers<"taken_over" | "left"> = Promise.withResolvers();
  /** Settles when the program may go on; there only while it waits. */
  #room: PromiseWithResolvers<void> | undefined;
  #stall: ReturnType<typeof setTimeout> | undefined;
  #isStalled = false;

  /** @param since Absolute offset of the first byte wanted; older ones than are held are told as skipped. */
  constructor(
    readonly role: Role,
    since: number,
    log: TerminalLog,
    life: Life,
    onDetach: (attachment: Attachment) => void,
  ) {
    this.#offset = Math.min(since, log.end);
    this.#log = log;
    this.#life = life;
    this.#onDetach = onDetach;
  }

  /** Where to continue after a lost connection: the bytes before it have been handed on. */
  get offset(): number {
    return this.#offset;
  }

  /** Settles when another has taken over or it was left, also while its reader is busy with what it was told. */
  get detached(): Promise<"taken_over" | "left"> {
    return this.#gone.promise;
  }

  /** Everything from `since` on, as it happens, up to and including the end. One caller. */
  async *events(): AsyncGenerator<TerminalEvent, void> {
    while (this.#detached !== "left") {
      const changed = this.#log.changed();
      if (this.#detached !== undefined) {
        yield { type: "taken_over" };
        return;
      }
      const event = this.#next();
      if (event !== undefined) {
        yield event;
        if (event.type === "exit") return;
        // Only now has the caller dealt with it.
        this.#advance(event.offset + (event.type === "output" ? event.bytes.byteLength : event.length));
      } else await changed;
    }
  }

  /**
   * Told when the program has printed: asks it to wait while this reader is far behind, as a terminal does, but
   * not for a reader that has stopped.
   */
  pace(): Promise<void> | undefined {
    const isFar = this.#log.end - this.#offset > this.#log.capacity / 2;
    if (!isFar || this.#detached !== undefined) {
      this.#isStalled = false;
      return undefined;
    }
    if (this.#isStalled) return undefined;
    if (this.#room === undefined) {
      this.#room = Promise.withResolvers();
      this.#watch();
    }
    return this.#room.promise;
  }

  /** Ends it; only the first reason counts. */
  detach(reason: "taken_over" | "left"): void {
    if (this.#detached !== undefined) return;
    this.#detached = reason;
    this.#gone.resolve(reason);
    this.#release();
    this.#onDetach(this);
    this.#log.wake();
  }

  /** The reader has left. */
  [Symbol.dispose](): void {
    this.detach("left");
  }

  #next(): Exclude<TerminalEvent, { type: "taken_over" }> | undefined {
    const { ended } = this.#life;
    const offset = this.#offset;
    const most = ended?.offset ?? this.#log.end;
    const missing = Math.min(this.#log.start, most) - offset;
    if (missing > 0) return { type: "skipped", offset, length: missing };
    const piece = this.#log.read(offset, Math.min(PIECE_BYTES, most - offset));
    if (piece) return { type: "output", ...piece };
    return ended && { type: "exit", end: ended.end };
  }

  #advance(offset: number): void {
    this.#offset = offset;
    if (this.#room === undefined) return;
    if (this.#log.end - offset > this.#log.capacity / 4) this.#watch();
    else this.#release();
  }

  #watch(): void {
    clearTimeout(this.#stall);
    this.#stall = setTimeout(() => {
      this.#isStalled = true;
      this.#release();
    }, STALL_MS);
  }

  #release(): void {
    clearTimeout(this.#stall);
    this.#room?.resolve();
    this.#room = undefined;
  }
}
