import type { FileHandle } from "node:fs/promises";
import { EngineError } from "../error.ts";
import { versionOf, type FileVersion } from "./entry.ts";
import { fileFault } from "./faults.ts";
import type { PathRules } from "./paths.ts";

/** Lines counted from 1, both included. */
export interface LineRange {
  readonly first: number;
  /** undefined: up to the end. */
  readonly last: number | undefined;
}

export interface FileContent extends FileVersion {
  readonly bytes: Uint8Array;
  /** Of a range: the last line that is in it, and whether lines follow. */
  readonly lines?: { readonly first: number; readonly last: number; readonly hasMore: boolean };
}

const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 10;

/**
 * Reads a file, or some of its lines.
 * @throws EngineError `too_large` for more than `maxBytes`, `not_found`, `denied`, `invalid`.
 */
export async function readFile(
  paths: PathRules,
  path: string,
  { range, maxBytes }: { readonly range?: LineRange | undefined; readonly maxBytes: number },
): Promise<FileContent> {
  await using entry = await paths.openForRead(path);
  const version = versionOf(entry);
  const kept = new Bounded(entry.path, maxBytes);
  try {
    if (range) return { ...version, lines: await readLines(entry.handle, range, kept), bytes: kept.bytes() };
    kept.requireRoom(version.size);
    for await (const chunk of chunksOf(entry.handle)) kept.add(chunk);
    return { ...version, bytes: kept.bytes() };
  } catch (error) {
    throw fileFault(error, "read", entry.path);
  }
}

/** The pieces of a file from its start, each a buffer of its own. */
async function* chunksOf(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0; ;) {
    const buffer = new Uint8Array(CHUNK_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Stops reading right after the range; what follows may be large. */
async function readLines(handle: FileHandle, { first, last = Infinity }: LineRange, kept: Bounded) {
  let line = 1;
  let lineIsEmpty = true;
  for await (const chunk of chunksOf(handle)) {
    for (let at = 0; at < chunk.byteLength;) {
      if (line > last) return { first, last, hasMore: true };
      const newline = chunk.indexOf(NEWLINE, at);
      const end = newline < 0 ? chunk.byteLength : newline + 1;
      if (line >= first) kept.add(chunk.slice(at, end));
      at = end;
      lineIsEmpty = newline >= 0;
      if (newline >= 0) line++;
    }
  }
  return { first, last: Math.max(first - 1, lineIsEmpty ? line - 1 : line), hasMore: false };
}

/** Bytes up to a limit. */
class Bounded {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  constructor(
    private readonly path: string,
    private readonly most: number,
  ) {}

  add(part: Uint8Array): void {
    this.requireRoom(part.byteLength);
    this.#parts.push(part);
    this.#length += part.byteLength;
  }

  requireRoom(bytes: number): void {
    if (this.#length + bytes <= this.most) return;
    throw new EngineError(
      "too_large",
      `Cannot read ${this.path} in one answer: it has more than ${this.most} bytes; download it or ask for lines`,
      { details: { path: this.path, most: this.most } },
    );
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#parts, this.#length);
  }
}
