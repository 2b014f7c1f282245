import { expect, test } from "bun:test";
import { ReplayRing } from "../../../src/engine/terminal/replay-ring.ts";
import { TerminalLog } from "../../../src/engine/terminal/terminal-log.ts";
import { Utf8Text } from "../../../src/engine/terminal/utf8-text.ts";
import { randomNumbers } from "../../support/random.ts";

test("text that is cut anywhere comes out whole, and no piece has half a character", () => {
  const text = "aé€😀\u0000ÿ\r\n日本語🏳️‍🌈\uFEFFend";
  const bytes = new TextEncoder().encode(text);
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      const decoder = new Utf8Text();
      const pieces = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
      const texts = pieces.map((piece) => decoder.add(piece));
      expect(texts.join("") + decoder.flush()).toBe(text);
      expect(texts.some((piece) => piece.includes("\uFFFD"))).toBe(false);
    }
  }
});

test("what is no UTF-8 is replaced as the standard says, however it is cut", () => {
  const random = randomNumbers(7);
  for (let round = 0; round < 300; round++) {
    const odd = [0x80, 0xbf, 0xc0, 0xc3, 0xe2, 0x82, 0xf0, 0x9f, 0x98, 0xf5, 0xff, 0x41];
    const bytes = Uint8Array.from({ length: 12 }, () => odd[random(odd.length)] ?? 0);
    const cut = random(13);
    const decoder = new Utf8Text();
    const text = decoder.add(bytes.subarray(0, cut)) + decoder.add(bytes.subarray(cut)) + decoder.flush();
    expect(text).toBe(new TextDecoder().decode(bytes));
  }
});

test("the rest of a character whose beginning is gone is left out", () => {
  const decoder = new Utf8Text(true);
  expect(decoder.add(new Uint8Array([0x98, 0x80, 0x41]))).toBe("A");
});

test("a ring keeps the newest bytes at their offsets, whatever the pieces", () => {
  const random = randomNumbers(11);
  const ring = new ReplayRing(40_000);
  let all = Buffer.alloc(0);
  for (let round = 0; round < 200; round++) {
    const piece = Buffer.alloc(random(random(100_000) + 1)).map((_, i) => (i + round * 7) & 0xff);
    all = Buffer.concat([all, piece]);
    ring.append(piece);
    expect([ring.start, ring.end]).toEqual([Math.max(0, all.length - 40_000), all.length]);
    const from = ring.start + random(ring.end - ring.start + 1);
    const limit = random(50_000);
    expect(Buffer.from(ring.read(from, limit)).equals(all.subarray(from, from + limit))).toBe(true);
  }
});

test("of streams that alternate byte by byte the order of all bytes stays and memory has a bound", () => {
  const log = new TerminalLog(100_000);
  for (let i = 0; i < 20_000; i++) log.append(i % 2 === 0 ? "stdout" : "stderr", new Uint8Array([i & 0xff]));
  const first = log.read(0, 100_000);
  expect(first?.stream).toBeUndefined();
  let at = 0;
  while (at < log.end) {
    const piece = log.read(at, 100_000);
    if (piece === undefined) throw new Error(`nothing at ${at}`);
    piece.bytes.forEach((byte, i) => expect(byte).toBe((at + i) & 0xff));
    if (piece.stream !== undefined) expect(piece.stream).toBe(at % 2 === 0 ? "stdout" : "stderr");
    at += piece.bytes.length;
  }
});
