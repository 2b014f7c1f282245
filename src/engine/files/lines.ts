import type { FileHandle } from "node:fs/promises";

const CHUNK_BYTES = 256 * 1024;
const LF = 10;
const CR = 13;

/**
 * Some lines of a file with LF between them and none at the end; what ends a line (LF, CR LF, more than one CR) is
 * taken off it. However long a line is, no more than one piece of it is in memory.
 * @param first Counted from 1.
 * @param count How many at most.
 */
export async function* readLinesOf(
  handle: FileHandle,
  first: number,
  count: number,
): AsyncGenerator<Uint8Array> {
  const last = first + count - 1;
  let line = 1;
  // Carriage returns that end the line if a line feed or the end of the file follows.
  let returns = 0;
  let isSeparated = false;
  for await (const chunk of chunksOf(handle)) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < chunk.byteLength && line <= last;) {
      const newline = chunk.indexOf(LF, at);
      const end = newline < 0 ? chunk.byteLength : newline;
      if (line >= first) {
        if (!isSeparated && line > first) pieces.push(Buffer.from("\n"));
        isSeparated = true;
        const body = withoutReturns(chunk.subarray(at, end));
        if (body.byteLength > 0) {
          if (returns > 0) pieces.push(Buffer.alloc(returns, CR));
          pieces.push(body);
          returns = 0;
        }
        returns += end - at - body.byteLength;
      }
      at = end + 1;
      if (newline < 0) continue;
      line++;
      returns = 0;
      isSeparated = false;
    }
    if (pieces.length > 0) yield Buffer.concat(pieces);
    if (line > last) return;
  }
}

function withoutReturns(bytes: Uint8Array): Uint8Array {
  let end = bytes.byteLength;
  while (end > 0 && bytes[end - 1] === CR) end--;
  return bytes.subarray(0, end);
}

async function* chunksOf(handle: FileHandle): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let at = 0; ;) {
    const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
