import { expect, test } from "bun:test";
import { LineTeller, VerbatimTeller } from "../../../src/protocols/execd/lines.ts";
import {
  LONGEST_PIECE_BYTES,
  TEXT_START,
  type PieceSink,
  type TextPosition,
  type TextTeller,
} from "../../../src/protocols/execd/pieces.ts";
import { randomNumbers } from "../../support/random.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

type Teller = typeof LineTeller | typeof VerbatimTeller;

interface Piece {
  readonly text: string;
  readonly position: TextPosition;
}

/** Keeps what it is told, and is full after every piece. */
class Pieces implements PieceSink {
  readonly all: Piece[] = [];
  isFull = false;

  piece(bytes: Buffer, position: TextPosition): void {
    this.all.push({ text: bytes.toString("utf8"), position });
    this.isFull = true;
  }

  take(teller: TextTeller, bytes: Uint8Array): this {
    for (let at = 0; at < bytes.byteLength; this.isFull = false) at += teller.push(bytes.subarray(at), this);
    return this;
  }
}

/** Tells bytes that come in pieces of these lengths. */
function tell(
  Kind: Teller,
  input: Uint8Array,
  lengths: () => number,
  from: TextPosition = TEXT_START,
): Piece[] {
  const teller = new Kind(from);
  const pieces = new Pieces();
  for (let at = from.offset; at < input.byteLength;) {
    const next = Math.min(input.byteLength, at + lengths());
    pieces.take(teller, input.slice(at, next));
    at = next;
  }
  teller.flush(pieces);
  return pieces.all;
}

/** Ends of lines of every kind, characters of every length, bytes that are none, and one very long line. */
function difficult(seed: number): Uint8Array {
  const random = randomNumbers(seed);
  const parts = ["a", "\n", "\r", "\r\n", "ü", "€", "🦆", "line", " "].map(bytes);
  const odd = [Uint8Array.of(0xff), Uint8Array.of(0xc3), Uint8Array.of(0xe2, 0x82)];
  const all = Array.from({ length: 300 }, () => {
    const pool = random(20) === 0 ? odd : parts;
    return pool[random(pool.length)] ?? new Uint8Array(0);
  });
  return Buffer.concat([...all, bytes("€".repeat(LONGEST_PIECE_BYTES)), ...all]);
}

test.each([
  ["lines", LineTeller],
  ["verbatim text", VerbatimTeller],
])("%s do not depend on how the bytes came, nor on where a reader went on", (_, Kind) => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = randomNumbers(seed);
    const input = difficult(seed);
    const whole = tell(Kind, input, () => input.byteLength);
    const texts = whole.map(({ text }) => text);
    const chopped = tell(Kind, input, () => 1 + random(40)).map(({ text }) => text);
    if (Kind === LineTeller) expect(chopped).toEqual(texts);
    else expect(chopped.join("")).toBe(texts.join(""));
    for (const [at, { position }] of whole.entries()) {
      const rest = tell(Kind, input, () => 1 + random(5000), position).map(({ text }) => text);
      if (Kind === LineTeller) expect(rest).toEqual(texts.slice(at + 1));
      else expect(rest.join("")).toBe(texts.slice(at + 1).join(""));
      if (at > 40) break;
    }
  }
});

test("a line of any length is told in pieces of whole characters", () => {
  const input = bytes(`${"🦆".repeat(LONGEST_PIECE_BYTES)}\n`);
  const pieces = tell(LineTeller, input, () => 1000);
  expect(pieces.length).toBe(4);
  expect(pieces.map(({ text }) => text).join("")).toBe("🦆".repeat(LONGEST_PIECE_BYTES));
});

test("after lost bytes a new line begins", () => {
  const teller = new LineTeller(TEXT_START);
  const pieces = new Pieces().take(teller, bytes("one\nhalf"));
  teller.skip(100);
  expect(pieces.take(teller, bytes("rest\n")).all.map(({ text }) => text)).toEqual(["one", "rest"]);
  expect(teller.position.offset).toBe(8 + 100 + 5);
});
