import { describe, expect, test } from "bun:test";
import { readParts, readText } from "../../src/http/multipart.ts";
import { attachment, namesEtag, parseRange } from "../../src/http/range.ts";

async function* pieces(body: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.byteLength; at += size) {
    const piece = new Uint8Array(body.subarray(at, at + size));
    yield piece;
    await Promise.resolve();
    // As the real source does: whoever looks at a piece too late sees this.
    piece.fill(0x58);
  }
}

async function parse(body: string, size: number): Promise<[string, string | undefined, string][]> {
  const found: [string, string | undefined, string][] = [];
  const source = pieces(Buffer.from(body, "latin1"), size);
  for await (const part of readParts('multipart/form-data; charset=utf-8; boundary="b b"', source))
    found.push([part.name, part.filename, await readText(part, 10_000)]);
  return found;
}

const part = (headers: string, content: string) =>
  `--b b\r\nContent-Disposition: form-data; ${headers}\r\n\r\n${content}\r\n`;

describe("a multipart body", () => {
  const tricky = ["", "\r", "\r\n", "\r\n--b", "\r\n--b \r\n--b x", "--b b", "\r\r\n\n--", "x".repeat(200)];
  const body = `preamble\r\n${tricky.map((text, i) => part(`name="p${i}"`, text)).join("")}--b b--\r\nepilogue`;

  test("is the same in pieces of any size", async () => {
    const expected = tricky.map((text, i) => [`p${i}`, undefined, text]);
    for (let size = 1; size <= body.length; size++)
      expect(await parse(body, size)).toEqual(expected as never);
  });

  test("names may be quoted, escaped or plain", async () => {
    const names = [
      ['name="a"; filename="x \\"y\\" \\\\.txt"', "a", 'x "y" \\.txt'],
      ["name=a; filename=x", "a", "x"],
      ['filename="n"; name="a"', "a", "n"],
      ['name="a;b"', "a;b", undefined],
    ] as const;
    for (const [headers, name, filename] of names)
      expect(await parse(`${part(headers, "c")}--b b--`, 7)).toEqual([[name, filename, "c"]]);
  });

  test("that ends anywhere too early is refused", async () => {
    const whole = `${part('name="a"', "content")}--b b--`;
    for (let length = 0; length < whole.length; length++) {
      const told = await parse(whole.slice(0, length), 9).catch((error: unknown) => String(error));
      expect(told).toMatch(/it ends inside a part$/);
    }
  });

  test("parts that nobody reads are skipped", async () => {
    const source = pieces(Buffer.from(body, "latin1"), 5);
    const names: string[] = [];
    for await (const { name } of readParts('multipart/form-data; boundary="b b"', source)) names.push(name);
    expect(names).toEqual(tricky.map((_, i) => `p${i}`));
  });
});

test("ranges, ETags and file names follow their standards", () => {
  expect(parseRange("bytes=2-", 5)).toEqual({ start: 2, end: 5 });
  expect(parseRange(null, 5)).toBeUndefined();
  expect(() => parseRange("bytes=0-", 0)).toThrow("in a file of 0");
  expect(namesEtag('W/"a", "b"', '"a"', "weak")).toBe(true);
  expect(namesEtag('W/"a", "b"', '"a"', "strong")).toBe(false);
  expect(namesEtag("*", undefined, "weak")).toBe(false);
  expect(attachment("a'b(1)\ud800")).toBe(
    `attachment; filename="a'b(1)_"; filename*=UTF-8''a%27b%281%29%EF%BF%BD`,
  );
});
