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
    for (const value of values) this.#view.setUint8(this.#grow(1), value);
    return this;
  }

  u16(...values: readonly number[]): this {
    for (const value of values) this.#view.setUint16(this.#grow(2), value, true);
    return this;
  }

  i16(...values: readonly number[]): this {
    for (const value of values) this.#view.setInt16(this.#grow(2), value, true);
    return this;
  }

  u32(...values: readonly number[]): this {
    for (const value of values) this.#view.setUint32(this.#grow(4), value, true);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.#bytes.set(bytes, this.#grow(bytes.byteLength));
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
