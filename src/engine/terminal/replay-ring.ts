const FIRST_BYTES = 16 * 1024;

/**
 * The newest bytes of an endless stream, with absolute offsets. It takes no more memory than it has been filled
 * with, up to its bound, and adding costs the same however small the pieces are.
 */
export class ReplayRing {
  readonly #capacity: number;
  #bytes = new Uint8Array(0);
  #end = 0;

  /** @param capacity Bytes kept; of more the oldest are forgotten. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Absolute offset of the oldest byte still held. */
  get start(): number {
    return Math.max(0, this.#end - this.#capacity);
  }

  /** Absolute offset after the newest byte: how many bytes were ever added. */
  get end(): number {
    return this.#end;
  }

  append(bytes: Uint8Array): void {
    this.#makeRoom(bytes.byteLength);
    const size = this.#bytes.byteLength;
    // Of a piece larger than the ring only the end can stay.
    const from = Math.max(0, bytes.byteLength - size);
    for (let at = from; at < bytes.byteLength;) {
      const position = (this.#end + at) % size;
      const length = Math.min(bytes.byteLength - at, size - position);
      this.#bytes.set(bytes.subarray(at, at + length), position);
      at += length;
    }
    this.#end += bytes.byteLength;
  }

  /** A copy of at most `limit` bytes from `offset` on, which must still be held. */
  read(offset: number, limit: number): Uint8Array {
    const length = Math.max(0, Math.min(limit, this.#end - offset));
    const copy = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const position = (offset + at) % this.#bytes.byteLength;
      const piece = this.#bytes.subarray(position, position + length - at);
      copy.set(piece, at);
      at += piece.byteLength;
    }
    return copy;
  }

  /** As long as it grows nothing has been overwritten, so positions are offsets and can be kept. */
  #makeRoom(more: number): void {
    const wanted = Math.min(this.#capacity, this.#end + more);
    if (wanted <= this.#bytes.byteLength) return;
    const larger = Math.max(FIRST_BYTES, wanted, 2 * this.#bytes.byteLength);
    const grown = new Uint8Array(Math.min(this.#capacity, larger));
    grown.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = grown;
  }
}
