/** One message of the server: a reply, an error or an event, which share their first bytes. */
export class Frame {
  readonly view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** 0 error, 1 reply, else the code of an event; the top bit marks events that a client made up. */
  get code(): number {
    return this.u8(0) & 0x7f;
  }

  u8(at: number): number {
    return this.view.getUint8(at);
  }

  u16(at: number): number {
    return this.view.getUint16(at, true);
  }

  i16(at: number): number {
    return this.view.getInt16(at, true);
  }

  u32(at: number): number {
    return this.view.getUint32(at, true);
  }

  /** `count` numbers of 32 bits. */
  list32(at: number, count: number): number[] {
    return Array.from({ length: count }, (_, i) => this.u32(at + 4 * i));
  }
}

const HEAD_BYTES = 32;
/** A picture of the largest screen that may be set; a longer message is none of a server's. */
const MOST_BYTES = 256 * 1024 * 1024;
const REPLY = 1;
const GENERIC_EVENT = 35;

/** Cuts the bytes of a server into messages, without copying a large one more than once. */
export class FrameSplitter {
  #head = new Uint8Array(HEAD_BYTES);
  #target = this.#head;
  #filled = 0;

  constructor(readonly onFrame: (frame: Frame) => void) {}

  /** @throws RangeError when a message is longer than any may be. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.byteLength) {
      const count = Math.min(this.#target.byteLength - this.#filled, chunk.byteLength - at);
      this.#target.set(chunk.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === this.#target.byteLength) this.#full();
    }
  }

  #full(): void {
    const more = this.#target === this.#head ? bytesAfter(this.#head) : 0;
    if (more > 0) {
      if (more > MOST_BYTES) throw new RangeError(`A message of ${more} bytes`);
      this.#target = new Uint8Array(HEAD_BYTES + more);
      this.#target.set(this.#head);
      return;
    }
    const frame = new Frame(this.#target === this.#head ? this.#head.slice() : this.#target);
    this.#target = this.#head;
    this.#filled = 0;
    this.onFrame(frame);
  }
}

function bytesAfter(head: Uint8Array): number {
  const code = (head[0] ?? 0) & 0x7f;
  if (code !== REPLY && code !== GENERIC_EVENT) return 0;
  return new DataView(head.buffer).getUint32(4, true) * 4;
}
