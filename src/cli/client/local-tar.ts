import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { lstat, mkdir, opendir, readlink, rm, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { extract, pack, type Pack } from "tar-stream";
import { ClientError } from "./connection.ts";
import type { Progress } from "./progress.ts";

const PERMISSION_BITS = 0o777;

/** Bytes of all files below a directory. */
export async function sizeOfTree(directory: string): Promise<number> {
  let bytes = 0;
  for await (const { path, stats } of walk(directory, ""))
    if (path !== "" && stats.isFile()) bytes += stats.size;
  return bytes;
}

/** A directory of this machine as tar.gz; what is no file, directory or link is left out. */
export function packLocal(directory: string, progress: Progress): AsyncIterable<Uint8Array> {
  const archive = pack();
  addAll(archive, directory, progress).then(
    () => archive.finalize(),
    (error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  const packed = createGzip({ level: 1 });
  // Its failure is the failure of what is read from it.
  pipeline(archive, packed).catch((error: unknown) => packed.destroy(error as Error));
  return packed;
}

async function addAll(archive: Pack, directory: string, progress: Progress): Promise<void> {
  for await (const { path, stats } of walk(directory, "")) {
    const header = { name: path, mode: stats.mode & PERMISSION_BITS, mtime: stats.mtime };
    if (stats.isDirectory()) archive.entry({ ...header, type: "directory" });
    else if (stats.isSymbolicLink())
      archive.entry({ ...header, type: "symlink", linkname: await readlink(join(directory, path)) });
    else if (stats.isFile()) {
      const entry = archive.entry({ ...header, type: "file", size: stats.size });
      // A file that grows meanwhile must not break the archive.
      const content =
        stats.size === 0 ? [] : createReadStream(join(directory, path), { end: stats.size - 1 });
      await pipeline(progress.counted(Readable.from(content)), entry);
    }
  }
}

async function* walk(
  root: string,
  below: string,
): AsyncGenerator<
  { path: string; stats: Awaited<ReturnType<typeof lstat>> & { mode: number; size: number } },
  void
> {
  for await (const { name } of await opendir(join(root, below))) {
    const path = below === "" ? name : `${below}/${name}`;
    // The runtime gives names as text: bytes that are none cannot be turned back into the name.
    if (name.includes("\ufffd") && !existsSync(join(root, path)))
      throw new ClientError(`Cannot copy ${join(root, path)}: its name is not UTF-8`);
    const stats = await lstat(join(root, path));
    yield { path, stats };
    if (stats.isDirectory()) yield* walk(root, path);
  }
}

/**
 * Unpacks a tar.gz from a sandbox, which nobody here has reason to trust: nothing is written outside of the
 * directory, nor through a link.
 * @throws ClientError for names that lead out of it.
 */
export async function unpackLocal(
  body: AsyncIterable<Uint8Array>,
  directory: string,
  progress: Progress,
): Promise<void> {
  await mkdir(directory, { recursive: true });
  const reader = extract();
  const feeding = pipeline(Readable.from(progress.counted(body)), createGunzip(), reader);
  feeding.catch(() => undefined);
  for await (const entry of reader) {
    const { name, type, mode, mtime, linkname } = entry.header;
    const names = namesOf(name);
    const path = join(directory, ...names);
    if (names.length > 0) await makeParents(directory, names.slice(0, -1));
    if (type === "directory") await makeDirectory(path);
    else if (names.length > 0) {
      await rm(path, { force: true });
      if (type === "symlink") await symlink(linkname, path);
      else if (type === "file") await pipeline(entry, createWriteStream(path, { flags: "wx", mode }));
      if (type === "file") await utimes(path, mtime, mtime);
    }
    entry.resume();
  }
  await feeding;
}

function namesOf(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (!names.includes("..") && !path.includes("\0")) return names;
  throw new ClientError(`Refusing to unpack ${JSON.stringify(path)}: it leads out of the directory`);
}

async function makeParents(directory: string, names: readonly string[]): Promise<void> {
  for (let depth = 1; depth <= names.length; depth++)
    await makeDirectory(join(directory, ...names.slice(0, depth)));
}

/** A link in its place is refused: what is in it may be anywhere. */
async function makeDirectory(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isDirectory() === true) return;
  if (stats !== undefined) throw new ClientError(`Refusing to unpack into ${path}: it is no directory`);
  await mkdir(path);
}
