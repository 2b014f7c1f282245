import { isUtf8 } from "node:buffer";
import { toLine } from "../../http/event-stream.ts";
import { LONGEST_PIECE_BYTES } from "./pieces.ts";

/** Frames are handed on in batches of about this many bytes, so that many short lines cost one write. */
const FULL_BYTES = 128 * 1024;
const FIRST_BYTES = 1024;
/** With room for the frame that fills it, where nothing in it has to be escaped. */
const USUAL_BYTES = FULL_BYTES + LONGEST_PIECE_BYTES + FIRST_BYTES;
/** Shorter texts are copied faster byte by byte than by a call. */
const SHORT_BYTES = 32;

const NOTHING = Buffer.alloc(0);
const PLAIN = 0;
const ESCAPED = 1;
const NOT_ASCII = 2;
/** What JSON asks of each byte of a text. */
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x80) return NOT_ASCII;
  return byte < 0x20 || byte === 0x22 || byte === 0x5c ? ESCAPED : PLAIN;
});
/** The escapes of those that need one, as `JSON.stringify` writes them. */
const ESCAPES = Array.from({ length: 128 }, (_, byte) =>
  Buffer.from(JSON.stringify(String.fromCharCode(byte)).slice(1, -1)),
);
/** The longest is `\u0000`. */
const LONGEST_ESCAPE = 6;
/** The first bytes of line ends that only Unicode knows, see `toLine`. */
const ODD_LINE_ENDS = ["\u0085", "\u2028"].map((end) => Buffer.from(end).subarray(0, 2));

/**
 * Whole frames, put together as bytes. A frame for every line of a large output is most of what such an output
 * costs: no string is made of a text that need not become one.
 */
export class FrameBatch {
  #bytes = NOTHING;
  #length = 0;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  get isFull(): boolean {
    return this.#length >= FULL_BYTES;
  }

  add(frame: string): void {
    // A UTF-16 unit takes three bytes at most.
    this.#makeRoom(3 * frame.length);
    this.#length += this.#bytes.write(frame, this.#length);
  }

  /**
   * A frame around a text: `head`, the text as JSON without its quotes, `tail`.
   * @param text UTF-8; what is none becomes U+FFFD.
   */
  addText(head: Uint8Array, text: Buffer, tail: Uint8Array): void {
    const kinds = kindsOf(text);
    const usual = head.byteLength + text.byteLength + tail.byteLength;
    this.#makeRoom((kinds & ESCAPED) === 0 ? usual : usual + (LONGEST_ESCAPE - 1) * text.byteLength);
    this.#copy(head);
    if ((kinds & NOT_ASCII) !== 0 && !isCleanText(text)) this.#addDecoded(text, tail.byteLength);
    else if ((kinds & ESCAPED) === 0) this.#copy(text);
    else this.#escape(text);
    this.#copy(tail);
  }

  /** What has been put together; the next batch begins empty. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = NOTHING;
    this.#length = 0;
    return taken;
  }

  #makeRoom(bytes: number): void {
    const length = this.#length + bytes;
    if (length <= this.#bytes.byteLength) return;
    const isFirst = this.#length === 0;
    const larger = Buffer.allocUnsafeSlow(Math.max(length, isFirst ? FIRST_BYTES : USUAL_BYTES));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }

  #copy(text: Uint8Array): void {
    const length = text.byteLength;
    if (length > SHORT_BYTES) this.#bytes.set(text, this.#length);
    else for (let i = 0; i < length; i++) this.#bytes[this.#length + i] = text[i] ?? 0;
    this.#length += length;
  }

  #escape(text: Buffer): void {
    const bytes = this.#bytes;
    let at = this.#length;
    // By index: an iterator would cost more than the copying.
    for (let i = 0; i < text.byteLength; i++) {
      const byte = text[i] ?? 0;
      if (KINDS[byte] !== ESCAPED) bytes[at++] = byte;
      else {
        const escaped = ESCAPES[byte] ?? NOTHING;
        for (let j = 0; j < escaped.byteLength; j++) bytes[at++] = escaped[j] ?? 0;
      }
    }
    this.#length = at;
  }

  /** The slow way, for texts that are not all UTF-8 or have odd line ends in them. */
  #addDecoded(text: Buffer, tailBytes: number): void {
    const json = Buffer.from(toLine(text.toString("utf8")).slice(1, -1));
    this.#makeRoom(json.byteLength + tailBytes);
    this.#copy(json);
  }
}

/** Which kinds of bytes there are, as a set of bits. */
function kindsOf(text: Buffer): number {
  let kinds = PLAIN;
  for (let i = 0; i < text.byteLength; i++) kinds |= KINDS[text[i] ?? 0] ?? 0;
  return kinds;
}

function isCleanText(text: Buffer): boolean {
  return isUtf8(text) && ODD_LINE_ENDS.every((end) => !text.includes(end));
}
