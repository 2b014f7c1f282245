import type { FileHandle } from "node:fs/promises";
import { EngineError } from "../error.ts";
import { etagOf } from "./entry.ts";
import type { OpenEntry, PathRules } from "./paths.ts";
import { stageContent, writeStaged } from "./write.ts";

const CHUNK_BYTES = 256 * 1024;
/** Somebody else writes the same file at the same time, again and again. */
const MOST_TRIES = 8;

/**
 * Replaces every occurrence of one text by another, byte for byte, so that a file need not be valid UTF-8. Others
 * see the old content until they see the new; with no occurrence the file is left as it is.
 * @returns How many there were.
 * @throws EngineError `not_found`, `invalid` for an empty text, `changed` when the file changes all the time.
 */
export async function replaceText(
  paths: PathRules,
  path: string,
  change: { readonly before: string; readonly after: string },
): Promise<number> {
  for (let tried = 1; ; tried++) {
    await using entry = await paths.openForRead(path);
    if (change.before === "") throw new EngineError("invalid", "old content must not be empty");
    try {
      return await replaceIn(paths, entry, change);
    } catch (error) {
      // What another has written since is not lost: its text is searched, too.
      const isChanged = error instanceof EngineError && error.code === "changed";
      if (!isChanged || tried === MOST_TRIES) throw error;
    }
  }
}

async function replaceIn(
  paths: PathRules,
  { handle, stats, path }: OpenEntry,
  { before, after }: { readonly before: string; readonly after: string },
): Promise<number> {
  const told = { count: 0 };
  const content = replaced(handle, Buffer.from(before), Buffer.from(after), told);
  await using staged = await stageContent(paths, path, content);
  if (told.count === 0) return 0;
  const etag = etagOf(stats);
  const precondition = (found: string | undefined) => found === etag;
  await writeStaged(paths, { path, mode: undefined, overwrite: true, precondition }, staged);
  return told.count;
}

async function* replaced(
  handle: FileHandle,
  before: Buffer,
  after: Buffer,
  told: { count: number },
): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0);
  for (let position = 0; ;) {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, position);
    if (bytesRead === 0) break;
    position += bytesRead;
    rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    let from = 0;
    for (let at = rest.indexOf(before); at >= 0; at = rest.indexOf(before, from)) {
      yield rest.subarray(from, at);
      yield after;
      told.count++;
      from = at + before.byteLength;
    }
    // The end may be the beginning of an occurrence that the next piece goes on with.
    const keep = Math.max(from, rest.byteLength - before.byteLength + 1);
    yield rest.subarray(from, keep);
    rest = rest.subarray(keep);
  }
  yield rest;
}
