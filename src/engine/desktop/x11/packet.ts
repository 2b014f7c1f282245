/** Builds one request of the X protocol: little-endian, padded to four bytes, its length filled in. */
export class Packet {
  #bytes = new Uint8Array(64);
  #view = new DataView(this.#bytes.buffer);
  #length = 4;

  /** @param detail The second byte, whose meaning is the request's own (an extension's minor opcode). */
  constructor(opcode: number, detail = 0) {
    this.#bytes[0] = opcode;
    this.#bytes[1] = detail;
  }

  u8(...values: readonly number[]): this {
    return this.#each(1, values, (view, at, value) => view.setUint8(at, value));
  }

  u16(...values: readonly number[]): this {
    return this.#each(2, values, (view, at, value) => view.setUint16(at, value, true));
  }

  i16(...values: readonly number[]): this {
    return this.#each(2, values, (view, at, value) => view.setInt16(at, value, true));
  }

  u32(...values: readonly number[]): this {
    return this.#each(4, values, (view, at, value) => view.setUint32(at, value, true));
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#grow(bytes.byteLength);
    this.#bytes.set(bytes, at);
    return this;
  }

  text(text: string): this {
    return this.bytes(new TextEncoder().encode(text));
  }

  skip(count: number): this {
    this.#grow(count);
    return this;
  }

  finish(): Uint8Array {
    this.#grow(-this.#length & 3);
    this.#view.setUint16(2, this.#length / 4, true);
    return this.#bytes.subarray(0, this.#length);
  }

  #each(
    size: number,
    values: readonly number[],
    set: (view: DataView, at: number, value: number) => void,
  ): this {
    for (const value of values) {
      // Before the view is looked at: another one takes its place when there is no room.
      const at = this.#grow(size);
      set(this.#view, at, value);
    }
    return this;
  }

  /** Makes room and gives the offset of it. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.byteLength) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
