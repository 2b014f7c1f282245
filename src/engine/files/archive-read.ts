import { createGunzip } from "node:zlib";
import { Readable } from "node:stream";
import { extract, type Header } from "tar-stream";
import { EngineError } from "../error.ts";
import { drained } from "./drained.ts";

export interface ArchiveLimits {
  readonly maxEntries: number;
  /** Of the unpacked archive, its headers included. */
  readonly maxBytes: number;
}

interface Common {
  /** The names on the way from the directory that is unpacked into; never empty, never `..`. */
  readonly names: readonly string[];
  readonly mode: number;
  readonly modified: Date | undefined;
}

export type ArchiveEntry = Common &
  (
    | { readonly type: "directory" }
    | { readonly type: "file"; readonly content: AsyncIterable<Uint8Array> }
    /** A target that leaves the directory is kept: nothing is ever written through a link. */
    | { readonly type: "symlink"; readonly target: string }
    | { readonly type: "link"; readonly target: readonly string[] }
  );

/** Each level holds a descriptor while files are written there. */
const MOST_DEPTH = 128;
const PERMISSION_BITS = 0o777;
const GZIP_MAGIC = [0x1f, 0x8b];

/**
 * The entries of a tar or tar.gz, one after the other; the content of one must be used up before the next.
 * @throws EngineError `invalid` for names that leave the directory, devices and what is no archive; `too_large`.
 */
export async function* readArchive(
  body: AsyncIterable<Uint8Array>,
  limits: ArchiveLimits,
): AsyncGenerator<ArchiveEntry, void> {
  const reader = extract();
  const feeding = feed(bounded(unpacked(body), limits.maxBytes), reader);
  let count = 0;
  try {
    for await (const entry of reader) {
      if (++count > limits.maxEntries) {
        throw new EngineError("too_large", `Cannot unpack more than ${limits.maxEntries} entries`);
      }
      const read = toEntry(entry.header, explained(entry as AsyncIterable<Uint8Array>, feeding));
      if (read) yield read;
      // What nobody took, such as bytes of a directory.
      entry.resume();
    }
    await feeding;
  } catch (error) {
    throw explain(error);
  } finally {
    reader.destroy();
    // Not waited for: a client that sends nothing more would delay its own answer.
    feeding.catch(() => undefined);
  }
}

/** Writes pieces at the pace at which entries are taken. */
async function feed(pieces: AsyncIterable<Uint8Array>, reader: ReturnType<typeof extract>): Promise<void> {
  try {
    for await (const piece of pieces) {
      if (reader.destroyed) return;
      if (!reader.write(piece)) await drained(reader);
    }
    reader.end(null);
  } catch (error) {
    reader.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

/** A request's pieces are used up when the next one is asked for; the readers below still hold them then. */
async function* copies(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  for await (const piece of body) yield Uint8Array.from(piece);
}

/** Tells gzip by its first two bytes; everything else is taken for a plain tar. */
async function* unpacked(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const pieces = copies(body);
  let start = new Uint8Array(0);
  while (start.byteLength < GZIP_MAGIC.length) {
    const next = await pieces.next();
    if (next.done) break;
    start = Buffer.concat([start, next.value]);
  }
  const whole = async function* () {
    try {
      yield start;
      for (let next = await pieces.next(); !next.done; next = await pieces.next()) yield next.value;
    } finally {
      await pieces.return();
    }
  };
  if (GZIP_MAGIC.some((byte, at) => start[at] !== byte)) return yield* whole();
  const source = Readable.from(whole());
  const gunzip = createGunzip();
  source.on("error", (error) => gunzip.destroy(error));
  // Node's streams tell their pieces as any.
  yield* source.pipe(gunzip) as AsyncIterable<Uint8Array>;
}

async function* bounded(pieces: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array, void> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.byteLength;
    if (bytes > most)
      throw new EngineError("too_large", `Cannot unpack more than ${most} bytes from an archive`);
    yield piece;
  }
}

function toEntry(header: Header, content: AsyncIterable<Uint8Array>): ArchiveEntry | undefined {
  const names = namesOf(header.name, header.name);
  const mode = header.mode & PERMISSION_BITS;
  const common = { names, mode, modified: header.mtime };
  switch (header.type) {
    case "directory":
      return names.length === 0 ? undefined : { ...common, type: "directory" };
    case "file":
    case "contiguous-file":
      requireName(header, names);
      return { ...common, type: "file", content };
    case "symlink":
      requireName(header, names);
      return { ...common, type: "symlink", target: linkTarget(header) };
    case "link":
      requireName(header, names);
      return { ...common, type: "link", target: namesOf(linkTarget(header), header.name) };
    case "block-device":
    case "character-device":
    case "fifo":
    default:
      throw refused(header.name, `it is a ${header.type}`);
  }
}

function namesOf(path: string, shown: string): string[] {
  if (path.startsWith("/")) throw refused(shown, "its path is absolute");
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.includes("..")) throw refused(shown, "its path leads out of the directory");
  if (names.some((name) => name.includes("\0"))) throw refused(shown, "its path has a NUL byte");
  if (names.length > MOST_DEPTH) throw refused(shown, `it is more than ${MOST_DEPTH} directories deep`);
  return names;
}

function requireName({ name }: Header, names: readonly string[]): void {
  if (names.length === 0) throw refused(name, "it has no name");
}

function linkTarget({ name, linkname }: Header): string {
  if (linkname) return linkname;
  throw refused(name, "it is a link to nothing");
}

function refused(name: string, reason: string): EngineError {
  return new EngineError("invalid", `Cannot unpack the entry ${JSON.stringify(name)}: ${reason}`);
}

/** An entry's content fails as the archive does: its own error only says that it was destroyed, not why. */
async function* explained(
  content: AsyncIterable<Uint8Array>,
  feeding: Promise<void>,
): AsyncGenerator<Uint8Array, void> {
  try {
    for await (const piece of content) yield piece;
  } catch (error) {
    const turn = new Promise<void>((resolve) => setImmediate(resolve));
    await Promise.race([feeding, turn]).catch((cause: unknown) => {
      throw explain(cause);
    });
    throw explain(error);
  }
}

/**
 * What the readers of gzip and tar throw is about the bytes: plain errors, or with codes of zlib and of streams.
 * The system's errors have codes such as ENOSPC, and the sender's an own class.
 */
function explain(error: unknown): unknown {
  if (!(error instanceof Error) || !["Error", "StreamError"].includes(error.name)) return error;
  const code = "code" in error ? String(error.code) : "";
  if (/^E[A-Z0-9]+$/.test(code)) return error;
  return new EngineError(
    "invalid",
    `Cannot unpack the body: it is no whole tar or tar.gz (${error.message})`,
    {
      cause: error,
    },
  );
}
