import type { z } from "zod";
import type { BackgroundProcess } from "../../engine/background/process.ts";
import { EngineError } from "../../engine/error.ts";
import type { outputQuery } from "./background-schema.ts";
import { statusOf } from "./background-view.ts";

/**
 * Some bytes of one stream from an absolute offset on, and where to go on.
 * @throws EngineError `invalid` for an offset beyond what has been printed.
 */
export async function describeSlice(process: BackgroundProcess, query: z.output<typeof outputQuery>) {
  const { stream, offset: asked, limit, encoding } = query;
  const run = process.run;
  // Before the bytes, so that "ended" is never told too early.
  const [outcome, hadSurvivors, status] = [process.outcome, run.hasSurvivors, statusOf(process)];
  const total = run.journal.totals[stream];
  refuseBeyond(asked, total);
  const { offset, bytes: read } = await run.journal.slice(stream, asked, limit);
  const mayGrow = outcome === undefined || hadSurvivors || offset + read.byteLength < total;
  const bytes = encoding === "utf8" && mayGrow ? wholeCharacters(read) : read;
  const next = offset + bytes.byteLength;
  return {
    process_id: process.id,
    stream,
    encoding,
    data: encode(bytes, encoding),
    offset,
    next_offset: next,
    dropped_bytes: offset - asked,
    total_bytes: Math.max(total, next),
    ended: outcome !== undefined && next >= outcome.totals[stream],
    output_open: outcome === undefined || hadSurvivors,
    status,
  };
}

function refuseBeyond(offset: number, total: number): void {
  if (offset <= total) return;
  throw new EngineError("invalid", `offset: ${offset} is beyond the ${total} bytes printed so far`);
}

function encode(bytes: Uint8Array, encoding: "utf8" | "base64"): string {
  // Invalid bytes become U+FFFD; a byte order mark is output like any other.
  if (encoding === "utf8") return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  return bytes.toBase64();
}

/** Without the beginning of a character whose rest has not been read; that comes with the next slice. */
export function wholeCharacters(bytes: Uint8Array): Uint8Array {
  const end = bytes.byteLength;
  for (let back = 1; back <= Math.min(3, end); back++) {
    const byte = bytes[end - back] ?? 0;
    const isContinuation = (byte & 0xc0) === 0x80;
    if (isContinuation) continue;
    return lengthOf(byte) > back ? bytes.subarray(0, end - back) : bytes;
  }
  return bytes;
}

/** Bytes of the character that begins with this one; 1 for what begins none. */
function lengthOf(byte: number): number {
  if (byte >= 0xf0 && byte <= 0xf4) return 4;
  if (byte >= 0xe0 && byte < 0xf0) return 3;
  return byte >= 0xc2 && byte < 0xe0 ? 2 : 1;
}
