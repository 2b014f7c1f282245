/** Values of D-Bus by their signatures, little-endian (D-Bus specification, "Marshaling"). */

const ALIGNMENT: Readonly<Record<string, number>> = {
  y: 1,
  g: 1,
  v: 1,
  n: 2,
  q: 2,
  b: 4,
  i: 4,
  u: 4,
  s: 4,
  o: 4,
  a: 4,
  x: 8,
  t: 8,
  d: 8,
  "(": 8,
  "{": 8,
};
/** Deeper than any interface goes; a sender must not make us recurse without end. */
const DEEPEST = 32;

/** A value whose signature travels with it. */
export interface Variant {
  readonly signature: string;
  readonly value: unknown;
}

/** The complete types of a signature, one after the other: "sa(so)" is "s" and "a(so)". */
export function splitSignature(signature: string): string[] {
  const types: string[] = [];
  for (let at = 0; at < signature.length;) {
    const end = typeEnd(signature, at);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

function typeEnd(signature: string, at: number): number {
  const code = signature[at];
  if (code === "a") return typeEnd(signature, at + 1);
  if (code !== "(" && code !== "{") return at + 1;
  let depth = 0;
  for (let end = at; end < signature.length; end++) {
    if (signature[end] === "(" || signature[end] === "{") depth++;
    if (signature[end] === ")" || signature[end] === "}") depth--;
    if (depth === 0) return end + 1;
  }
  throw new RangeError(`A signature that does not end: ${signature}`);
}

export class Marshaller {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  align(to: number): this {
    this.#grow((to - (this.#length % to)) % to);
    return this;
  }

  /** @throws TypeError for a value that is not of its type. */
  write(type: string, value: unknown): this {
    this.align(ALIGNMENT[type[0] ?? ""] ?? 1);
    if (type === "a" || type.startsWith("a")) return this.#array(type.slice(1), value);
    if (type.startsWith("(")) return this.#fields(type, value);
    if (typeof value === "string") return this.#string(type, value);
    if (typeof value === "boolean" && type === "b") return this.#number("u", value ? 1 : 0);
    if (typeof value === "number") return this.#number(type, value);
    if (type === "v" && isVariant(value)) {
      this.#string("g", value.signature);
      return this.write(value.signature, value.value);
    }
    throw new TypeError(`Cannot marshal a ${typeof value} as ${type}`);
  }

  #number(type: string, value: number): this {
    // Before the view is looked at: another one takes its place when there is no room.
    const at = this.#grow(ALIGNMENT[type] ?? 0);
    if (type === "y") this.#view.setUint8(at, value);
    else if (type === "u") this.#view.setUint32(at, value, true);
    else if (type === "i") this.#view.setInt32(at, value, true);
    else throw new TypeError(`Cannot marshal a number as ${type}`);
    return this;
  }

  #string(type: string, value: string): this {
    const text = new TextEncoder().encode(value);
    this.#number(type === "g" ? "y" : "u", text.byteLength);
    const at = this.#grow(text.byteLength + 1);
    this.#bytes.set(text, at);
    return this;
  }

  #array(type: string, value: unknown): this {
    if (!Array.isArray(value)) throw new TypeError(`Cannot marshal a ${typeof value} as a list`);
    const lengthAt = this.#grow(4);
    this.align(ALIGNMENT[type[0] ?? ""] ?? 1);
    const start = this.#length;
    for (const item of value) this.write(type, item);
    this.#view.setUint32(lengthAt, this.#length - start, true);
    return this;
  }

  #fields(type: string, value: unknown): this {
    const types = splitSignature(type.slice(1, -1));
    if (!Array.isArray(value)) throw new TypeError(`Cannot marshal a ${typeof value} as fields`);
    types.forEach((one, i) => void this.write(one, value[i]));
    return this;
  }

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

function isVariant(value: unknown): value is Variant {
  return typeof value === "object" && value !== null && "signature" in value;
}

/** Reads values; what is not where its signature says throws a RangeError. */
export class Unmarshaller {
  readonly #view: DataView;
  #at = 0;

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  align(to: number): this {
    this.#at += (to - (this.#at % to)) % to;
    return this;
  }

  skip(count: number): this {
    this.#at += count;
    return this;
  }

  readAll(signature: string): unknown[] {
    return splitSignature(signature).map((type) => this.read(type));
  }

  /** Lists and fields are arrays, dictionaries lists of pairs, variants their values. */
  read(type: string, depth = 0): unknown {
    if (depth > DEEPEST) throw new RangeError("A value nested too deeply");
    this.align(ALIGNMENT[type[0] ?? ""] ?? 1);
    const code = type[0];
    if (code === "a") return this.#array(type.slice(1), depth);
    if (code === "(" || code === "{")
      return splitSignature(type.slice(1, -1)).map((one) => this.read(one, depth + 1));
    if (code === "v") return this.read(this.#text(this.#number("y")), depth + 1);
    if (code === "g") return this.#text(this.#number("y"));
    if (code === "s" || code === "o") return this.#text(this.#number("u"));
    const number = this.#number(code ?? "");
    return code === "b" ? number !== 0 : number;
  }

  #array(type: string, depth: number): unknown[] {
    const length = this.#number("u");
    this.align(ALIGNMENT[type[0] ?? ""] ?? 1);
    const end = this.#at + length;
    if (end > this.bytes.byteLength) throw new RangeError("A list longer than its message");
    const items: unknown[] = [];
    while (this.#at < end) items.push(this.read(type, depth + 1));
    return items;
  }

  #text(length: number): string {
    const text = new TextDecoder().decode(this.bytes.subarray(this.#at, this.#at + length));
    this.#at += length + 1;
    return text;
  }

  #number(code: string): number {
    const size = ALIGNMENT[code] ?? 0;
    const at = this.#at;
    this.#at += size;
    switch (code) {
      case "y":
        return this.#view.getUint8(at);
      case "n":
        return this.#view.getInt16(at, true);
      case "q":
        return this.#view.getUint16(at, true);
      case "b":
      case "u":
        return this.#view.getUint32(at, true);
      case "i":
        return this.#view.getInt32(at, true);
      case "x":
        return Number(this.#view.getBigInt64(at, true));
      case "t":
        return Number(this.#view.getBigUint64(at, true));
      case "d":
        return this.#view.getFloat64(at, true);
      default:
        throw new RangeError(`An unknown type: ${code}`);
    }
  }
}
