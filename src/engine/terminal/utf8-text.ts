/** Nothing longer is a character in UTF-8. */
const LONGEST = 4;

/**
 * Makes text of bytes that come in pieces: a character is never cut between two pieces, and what is no UTF-8
 * becomes U+FFFD. Bytes that are held back until the rest of their character comes are at most three.
 */
export class Utf8Text {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #held = new Uint8Array(0);
  #startsMidway: boolean;

  /** @param startsMidway The first bytes may be the rest of a character whose beginning is gone; they are left out. */
  constructor(startsMidway = false) {
    this.#startsMidway = startsMidway;
  }

  /** Bytes given whose text has not been given yet. */
  get heldBytes(): number {
    return this.#held.byteLength;
  }

  add(bytes: Uint8Array): string {
    const fresh = this.#startsMidway ? withoutRest(bytes) : bytes;
    this.#startsMidway = false;
    const all = this.#held.byteLength === 0 ? fresh : Buffer.concat([this.#held, fresh]);
    const whole = all.byteLength - unfinishedBytes(all);
    // Of its own: the piece it is a view of may be large.
    this.#held = all.slice(whole);
    return this.#decoder.decode(all.subarray(0, whole));
  }

  /** What is still held, which nothing will complete; before a gap and at the end. */
  flush(): string {
    const text = this.#decoder.decode(this.#held);
    this.#held = new Uint8Array(0);
    return text;
  }
}

/** How many bytes at the end are the beginning of a character. */
function unfinishedBytes(bytes: Uint8Array): number {
  const most = Math.min(LONGEST - 1, bytes.byteLength);
  for (let back = 1; back <= most; back++) {
    const byte = bytes[bytes.byteLength - back] ?? 0;
    if (isContinuation(byte)) continue;
    return lengthOf(byte) > back ? back : 0;
  }
  return 0;
}

/** Bytes of the character that begins with this one; 1 for what begins none. */
function lengthOf(byte: number): number {
  if (byte >= 0xf0 && byte <= 0xf4) return 4;
  if (byte >= 0xe0 && byte < 0xf0) return 3;
  return byte >= 0xc2 && byte < 0xe0 ? 2 : 1;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

function withoutRest(bytes: Uint8Array): Uint8Array {
  let from = 0;
  while (from < LONGEST - 1 && isContinuation(bytes[from] ?? 0)) from++;
  return bytes.subarray(from);
}
