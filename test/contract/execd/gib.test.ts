import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { TestDaemon } from "../../support/daemon.ts";
import { growthWhile } from "../../support/memory.ts";

const PARTS = 16;
/** Its period divides neither a piece nor a pipe, so that bytes in another place show. */
const PART = Buffer.alloc(2 ** 26, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-");
const NUMBERS = Array.from({ length: PARTS }, (_, i) => String(i).padStart(8, "0"));
const COMMAND = `for n in ${NUMBERS.join(" ")}; do printf $n; cat part; done`;
const TOTAL = PARTS * (PART.byteLength + 8);
/** Of the daemon's memory, while it tells so much: buffers on their way, and a collector in no hurry. */
const MOST_GROWTH = 128 * 2 ** 20;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ env: { SANDERLING_LOG_LEVEL: "warn" } });
  await Bun.write(join(daemon.workspace, "part"), PART);
});
afterAll(() => daemon[Symbol.asyncDispose]());

const TEXT = Buffer.from('"text":"');
const TAIL = Buffer.from('","timestamp"');
const FRAME_END = Buffer.from("\n\n");

/** Reads the line out of frames without decoding them: of a GiB that would take longer than anything else. */
class LineReader {
  readonly #hash = createHash("sha1");
  #rest = Buffer.alloc(0);
  bytes = 0;
  lastId = "";
  final = "";

  take(chunk: Uint8Array): void {
    const all = this.#rest.byteLength === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (let end = all.indexOf(FRAME_END); end >= 0; end = all.indexOf(FRAME_END, at)) {
      this.#frame(all.subarray(at, end));
      at = end + FRAME_END.byteLength;
    }
    this.#rest = all.subarray(at);
  }

  /** A connection that was cut may have ended within a frame, which is told again. */
  cut(): void {
    this.#rest = Buffer.alloc(0);
  }

  digest(): string {
    return this.#hash.digest("hex");
  }

  #frame(frame: Buffer): void {
    const head = frame.toString("latin1", 0, 200);
    if (head.includes('"type":"ping"')) return;
    this.lastId = /^id: ([^\n]*)/.exec(head)?.[1] ?? "";
    if (!head.includes('"type":"stdout"')) {
      this.final = /"type":"(\w+)"/.exec(head)?.[1] ?? "";
      return;
    }
    const text = frame.subarray(frame.indexOf(TEXT) + TEXT.byteLength, frame.lastIndexOf(TAIL));
    this.#hash.update(text);
    this.bytes += text.byteLength;
  }
}

/** Of the whole line. */
function expectedDigest(): string {
  const hash = createHash("sha1");
  for (const number of NUMBERS) hash.update(number).update(PART);
  return hash.digest("hex");
}

async function start(init: RequestInit = {}): Promise<Response> {
  const body = JSON.stringify({ command: COMMAND });
  const response = await daemon.execd("/command", { method: "POST", body, ...init });
  expect(response.status).toBe(200);
  return response;
}

/** Reads to the end, or until there is enough. */
async function read(
  response: Response,
  reader: LineReader,
  enough = Number.POSITIVE_INFINITY,
): Promise<void> {
  for await (const chunk of response.body ?? []) {
    reader.take(chunk as Uint8Array);
    if (reader.bytes > enough) return;
  }
}

test.each([
  ["in one go", [Number.POSITIVE_INFINITY]],
  ["when it is cut in the middle", [TOTAL / 2, Number.POSITIVE_INFINITY]],
])(
  "1 GiB on one line is told once, every byte of it, in bounded memory, %s",
  async (_, connections) => {
    const reader = new LineReader();
    const { bytes: growth } = await growthWhile(daemon.child.pid, async () => {
      for (const enough of connections) {
        const client = new AbortController();
        const headers: Record<string, string> =
          reader.lastId === "" ? {} : { "Last-Event-ID": reader.lastId };
        await read(await start({ headers, signal: client.signal }), reader, enough);
        client.abort();
        reader.cut();
      }
    });
    expect([reader.bytes, reader.final, reader.digest()]).toEqual([
      TOTAL,
      "execution_complete",
      expectedDigest(),
    ]);
    expect(growth).toBeLessThan(MOST_GROWTH);
  },
  120_000,
);
