import { HttpFault } from "./fault.ts";

const MOST_HEADER_BYTES = 16 * 1024;
const MOST_BOUNDARY_CHARACTERS = 70;
const END_OF_HEADERS = Buffer.from("\r\n\r\n");
const LINE_END = Buffer.from("\r\n");
const NOTHING = Buffer.alloc(0);

/** One part of a form. What is not read of it is skipped when the next part is asked for. */
export interface Part {
  readonly name: string;
  readonly filename: string | undefined;
  /** Each piece is valid until the next one is asked for. */
  readonly content: AsyncGenerator<Uint8Array>;
}

/**
 * The parts of a `multipart/form-data` body (RFC 7578) as they arrive, with no more in memory than one piece
 * of the body and a boundary.
 * @throws HttpFault `invalid_multipart`.
 */
export async function* readParts(
  contentType: string | null,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Part> {
  const scanner = new Scanner(chunks, Buffer.from(`\r\n--${boundaryOf(contentType)}`));
  await drain(scanner.upToDelimiter());
  while (await scanner.hasPart()) {
    const content = scanner.upToDelimiter();
    yield { ...describe(await scanner.headers()), content };
    await drain(content);
  }
}

/** The text of a small part. @throws HttpFault `body_too_large`. */
export async function readText({ name, content }: Part, maxBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of content) {
    length += piece.byteLength;
    if (length > maxBytes) throw new HttpFault("body_too_large", `${name}: more than ${maxBytes} bytes`);
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces, length).toString("utf8");
}

class Scanner {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #delimiter: Buffer;
  /** Not looked at yet. The first delimiter has no line before it that could end. */
  #rest: Buffer = LINE_END;

  constructor(chunks: AsyncIterable<Uint8Array>, delimiter: Buffer) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#delimiter = delimiter;
  }

  /** What comes before the next delimiter, which is taken too. */
  async *upToDelimiter(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const at = this.#rest.indexOf(this.#delimiter);
      const end = at < 0 ? this.#rest.byteLength - this.#possibleStart() : at;
      const piece = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(at < 0 ? end : end + this.#delimiter.byteLength);
      if (piece.byteLength > 0) yield piece;
      if (at >= 0) return;
      await this.#more();
    }
  }

  /** After a delimiter: false when it was the last. */
  async hasPart(): Promise<boolean> {
    while (this.#rest.byteLength < 2) await this.#more();
    if (this.#rest.subarray(0, 2).equals(Buffer.from("--"))) {
      await this.#skipRest();
      return false;
    }
    return true;
  }

  /** The header lines of a part; the line break after the delimiter is still before them. */
  async headers(): Promise<string> {
    for (;;) {
      const at = this.#rest.indexOf(END_OF_HEADERS);
      if (at >= 0) {
        const text = this.#rest.toString("utf8", 0, at);
        this.#rest = this.#rest.subarray(at + END_OF_HEADERS.byteLength);
        return text;
      }
      if (this.#rest.byteLength > MOST_HEADER_BYTES) throw invalid("the headers of a part are too long");
      await this.#more();
    }
  }

  /** How many of the last bytes could be the beginning of a delimiter that the next piece goes on with. */
  #possibleStart(): number {
    const most = Math.min(this.#rest.byteLength, this.#delimiter.byteLength - 1);
    for (let length = most; length > 0; length--) {
      const tail = this.#rest.subarray(this.#rest.byteLength - length);
      if (tail[0] === 13 && tail.equals(this.#delimiter.subarray(0, length))) return length;
    }
    return 0;
  }

  async #more(): Promise<void> {
    // A copy: asking for the next piece takes this one's memory away.
    const carried = this.#rest.byteLength > 0 ? Buffer.from(this.#rest) : NOTHING;
    const next = await this.#chunks.next();
    if (next.done) throw invalid("it ends inside a part");
    const { buffer, byteOffset, byteLength } = next.value;
    const chunk = Buffer.from(buffer, byteOffset, byteLength);
    this.#rest = carried.byteLength > 0 ? Buffer.concat([carried, chunk]) : chunk;
  }

  /** What follows the last delimiter means nothing, but a client wants to be heard to the end. */
  async #skipRest(): Promise<void> {
    this.#rest = NOTHING;
    for (let next = await this.#chunks.next(); !next.done;) next = await this.#chunks.next();
  }
}

async function drain(content: AsyncGenerator<Uint8Array>): Promise<void> {
  for (let next = await content.next(); !next.done;) next = await content.next();
}

function boundaryOf(contentType: string | null): string {
  const match = /^multipart\/form-data\s*;.*?\bboundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType ?? "");
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined || boundary.length > MOST_BOUNDARY_CHARACTERS) {
    throw invalid("expected the content type multipart/form-data with a boundary");
  }
  return boundary;
}

function describe(headers: string): { name: string; filename: string | undefined } {
  const line = /^content-disposition:\s*form-data\b(.*)$/im.exec(headers)?.[1];
  if (line === undefined) throw invalid("a part has no Content-Disposition: form-data");
  const parameter = (name: string) => {
    const match = new RegExp(`;\\s*${name}=(?:"((?:\\\\.|[^"\\\\])*)"|([^\\s;]+))`, "i").exec(line);
    // Browsers and client libraries write quotes as %22; some write a backslash before them.
    return match?.[1]?.replace(/\\(["\\])/g, "$1") ?? match?.[2];
  };
  const name = parameter("name");
  if (name === undefined) throw invalid("a part has no name");
  return { name, filename: parameter("filename") ?? parameter("filename\\*") };
}

function invalid(reason: string): HttpFault {
  return new HttpFault("invalid_multipart", `The request body is not a valid form: ${reason}`);
}
