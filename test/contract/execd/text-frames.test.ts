import { expect, test } from "bun:test";
import { toFrame, toLine } from "../../../src/http/event-stream.ts";
import { FrameBatch } from "../../../src/protocols/execd/frame-batch.ts";
import { LineTeller } from "../../../src/protocols/execd/lines.ts";
import { LONGEST_PIECE_BYTES, TEXT_START, type PieceSink } from "../../../src/protocols/execd/pieces.ts";
import { startOf, writePosition, type StreamPosition } from "../../../src/protocols/execd/stream-position.ts";
import { TextFrames } from "../../../src/protocols/execd/text-frames.ts";
import { randomNumbers } from "../../support/random.ts";

const TIME = /"timestamp":\d+/g;

/** The frames as they are put together of bytes. */
function quick(input: Uint8Array, from: StreamPosition): string {
  const batch = new FrameBatch();
  const teller = new LineTeller(from.stdout);
  let text = "";
  for (let at = 0; at < input.byteLength; text += new TextDecoder().decode(batch.take()))
    at += teller.push(input.subarray(at), new TextFrames(batch, from, "stdout"));
  return text.replace(TIME, '"timestamp":0');
}

/** The same, each from a string. */
function plain(input: Uint8Array, from: StreamPosition): string {
  let text = "";
  const sink: PieceSink = {
    isFull: false,
    piece: (bytes, position) => {
      const json = toLine({ type: "stdout", text: bytes.toString("utf8"), timestamp: 0 });
      text += toFrame(json, writePosition({ ...from, stdout: position }));
    },
  };
  new LineTeller(from.stdout).push(input, sink);
  return text;
}

test("frames of bytes are the frames of strings, whatever bytes there are", () => {
  const every = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const odd = new TextEncoder().encode('\u0085 \u2028 \u2029 ü € 🦆 \u0000 \u001f \u007f \\ " / \t\n');
  for (let seed = 1; seed <= 20; seed++) {
    const random = randomNumbers(seed);
    const noise = Uint8Array.from({ length: 5000 }, () => random(256));
    const ascii = Uint8Array.from({ length: 5000 }, () => (random(30) === 0 ? 10 : random(128)));
    const input = Buffer.concat([every, odd, ascii, noise, odd, Buffer.from("\n")]);
    expect(quick(input, startOf("0".repeat(32)))).toBe(plain(input, startOf("0".repeat(32))));
  }
});

test("an offset that gets more digits is written whole", () => {
  const input = Buffer.from("x\n".repeat(2000));
  for (const offset of [0, 7, 98, 995, 999_999_990]) {
    const from = {
      ...startOf("a"),
      stdout: { ...TEXT_START, offset },
      stderr: { offset: 12, state: "within" as const },
    };
    expect(quick(input, from)).toBe(plain(input, from));
  }
});

test("a batch is handed on when it is full, and the longest piece fits into any", () => {
  const batch = new FrameBatch();
  const text = Buffer.alloc(LONGEST_PIECE_BYTES);
  let frames = 0;
  for (; !batch.isFull; frames++) batch.addText(Buffer.from("<"), text, Buffer.from(">"));
  expect([frames, new TextDecoder().decode(batch.take())]).toEqual([
    1,
    `<${"\\u0000".repeat(text.byteLength)}>`,
  ]);
  expect([batch.isEmpty, batch.isFull, batch.take().byteLength]).toEqual([true, false, 0]);
});
