import type { Dirent, Stats } from "node:fs";
import { lstat, readlink, type FileHandle } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { createGzip } from "node:zlib";
import { pack, type Header, type Pack } from "tar-stream";
import { walk, type Skipped } from "./archive-walk.ts";
import { drained } from "./drained.ts";
import { fileFault } from "./faults.ts";
import { HeldDirectory } from "./held-directory.ts";
import type { AbsolutePath, PathRules } from "./paths.ts";

export interface PackedArchive {
  readonly path: AbsolutePath;
  /** How many files, directories and links there were when it began. */
  readonly entries: number;
  readonly skipped: { readonly count: number; readonly first: readonly Skipped[] };
  /** A gzip-compressed tar; reading it does the work, and leaving it ends the work. */
  readonly bytes: ReadableStream<Uint8Array>;
}

const READ_BYTES = 64 * 1024;
const MOST_SKIPPED_TOLD = 50;
const PERMISSION_BITS = 0o7777;

/**
 * A directory as tar.gz, made while it is read. A first walk finds what must be left out (sockets, devices,
 * FIFOs, unreadable things, names that are no UTF-8), because there is no place to tell it after the bytes.
 * @throws EngineError when it is no directory that may be read.
 */
export async function packDirectory(paths: PathRules, path: string): Promise<PackedArchive> {
  const directory = await paths.openDirectory(path, "archive");
  const root = new HeldDirectory(directory.handle, paths.calls);
  try {
    const survey = await look(root);
    return { path: directory.path, ...survey, bytes: stream(root) };
  } catch (error) {
    await root[Symbol.asyncDispose]();
    throw fileFault(error, "archive", directory.path);
  }
}

async function look(root: HeldDirectory): Promise<Pick<PackedArchive, "entries" | "skipped">> {
  const first: Skipped[] = [];
  let [entries, count] = [0, 0];
  const skip = (path: string, reason: Skipped["reason"]) => {
    if (count++ < MOST_SKIPPED_TOLD) first.push({ path, reason });
  };
  await walk(root, "", {
    entry: async (parent, entry, path) => {
      if (entry.isFile() && !(await isReadable(parent, entry.name))) skip(path, "unreadable");
      else entries++;
    },
    skip,
  });
  return { entries, skipped: { count, first } };
}

async function isReadable(parent: HeldDirectory, name: string): Promise<boolean> {
  try {
    await (await parent.file(name)).close();
    return true;
  } catch {
    return false;
  }
}

function stream(root: HeldDirectory): ReadableStream<Uint8Array> {
  const tar = pack();
  const gzip = createGzip();
  // Told to the reader by `toWeb`, and to nobody when the reader has left.
  gzip.on("error", () => undefined);
  const filling = fill(tar, root).catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  const compressing = compress(tar, gzip);
  void Promise.all([filling, compressing]).then(() => root[Symbol.asyncDispose]());
  return toWeb(gzip, () => tar.destroy());
}

/** Hands the tar on at the pace at which it is read; a failure reaches the reader by way of the last stream. */
async function compress(tar: Pack, gzip: Duplex): Promise<void> {
  try {
    for await (const piece of tar as AsyncIterable<Uint8Array>) {
      if (gzip.destroyed) break;
      if (!gzip.write(piece)) await drained(gzip);
    }
    if (!gzip.destroyed) gzip.end();
  } catch (error) {
    gzip.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

async function fill(tar: Pack, root: HeldDirectory): Promise<void> {
  await walk(root, "", {
    entry: (parent, entry, path) => add(tar, parent, entry, path),
    skip: () => undefined,
  });
  tar.finalize();
}

async function add(tar: Pack, parent: HeldDirectory, entry: Dirent, path: string): Promise<void> {
  if (entry.isFile()) return addFile(tar, parent, entry, path);
  const place = parent.at(entry.name);
  const stats = await lstat(place);
  if (entry.isDirectory())
    return addEmpty(tar, { ...headerOf(`${path}/`, stats), type: "directory", size: 0 });
  const linkname = await readlink(place);
  return addEmpty(tar, { ...headerOf(path, stats), type: "symlink", linkname, size: 0 });
}

function addEmpty(tar: Pack, header: Partial<Header> & Pick<Header, "name">): Promise<void> {
  return new Promise((resolve, reject) => {
    tar.entry(header, (error) => (error ? reject(error) : resolve()));
  });
}

async function addFile(tar: Pack, parent: HeldDirectory, entry: Dirent, path: string): Promise<void> {
  let file: FileHandle;
  try {
    file = await parent.file(entry.name);
  } catch {
    // Gone or replaced since the first walk, or not readable: told as far as it was known then.
    return;
  }
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return;
    await write(
      tar,
      { ...headerOf(path, stats), type: "file", size: stats.size },
      contentOf(file, stats.size, path),
    );
  } finally {
    await file.close();
  }
}

async function write(
  tar: Pack,
  header: Partial<Header> & Pick<Header, "name">,
  content: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const sink = tar.entry(header, (error) => (error ? reject(error) : resolve(undefined)));
  // Looked at below; a failure may come before that.
  promise.catch(() => undefined);
  for await (const piece of content) {
    if (sink.destroyed) break;
    if (!sink.write(piece)) await drained(sink);
  }
  sink.end(null);
  await promise;
}

/** Exactly as many bytes as the header says: what a program adds meanwhile is left out. */
async function* contentOf(file: FileHandle, size: number, path: string): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < size;) {
    const { bytesRead, buffer } = await file.read(
      new Uint8Array(READ_BYTES),
      0,
      Math.min(READ_BYTES, size - at),
      at,
    );
    if (bytesRead === 0) throw new Error(`${path} has become shorter while it was archived`);
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function headerOf(
  name: string,
  { mode, uid, gid, mtime }: Stats,
): Pick<Header, "name" | "mode" | "uid" | "gid" | "mtime"> {
  return { name, mode: mode & PERMISSION_BITS, uid, gid, mtime };
}

/** A reader that pulls piece by piece, so that a slow client slows the archive. */
function toWeb(source: Duplex, leave: () => void): ReadableStream<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const next = await pieces.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: async () => {
      leave();
      await pieces.return?.();
    },
  });
}
