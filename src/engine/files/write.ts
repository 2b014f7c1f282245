import type { BigIntStats } from "node:fs";
import { basename, dirname } from "node:path";
import { EngineError } from "../error.ts";
import { inside, makeDirectory } from "./directories.ts";
import { etagOf, versionOf, type FileVersion } from "./entry.ts";
import { fileFault, systemCode } from "./faults.ts";
import { refuseUnlessFile } from "./kinds.ts";
import type { AbsolutePath, OpenEntry, PathRules } from "./paths.ts";
import { StagedFile } from "./staged-file.ts";
import { Turns } from "./turns.ts";

export interface WriteRequest {
  readonly path: string;
  /** Permission bits; undefined: those of the file that is there, else `newFileMode`. */
  readonly mode: number | undefined;
  /** Default 0644. */
  readonly newFileMode?: number;
  /** Makes the new file ready, by its descriptor, before anybody sees it. */
  readonly prepare?: (fd: number) => Promise<void>;
  /** Whether a file that is there may be replaced. */
  readonly overwrite: boolean;
  /** Asked with the ETag of what is there (undefined: nothing) right before it is replaced. */
  readonly precondition: ((etag: string | undefined) => boolean) | undefined;
}

/** Pieces of a file's content; a piece is used up when the next one is asked for. */
export type Content = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

const NEW_FILE_MODE = 0o644;
const PERMISSION_BITS = 0o7777;

/** Files are the machine's, so whoever writes one takes turns with everybody in this process. */
const turns = new Turns();

/**
 * Writes a whole file or nothing of it: others see the old content until they see the new. Parents are made;
 * a symbolic link's target is written, and a link that leads nowhere is replaced.
 * @throws EngineError `exists`, `changed`, `invalid`, `denied`, `too_large` (also: the disk is full).
 */
export async function writeFile(
  paths: PathRules,
  request: WriteRequest,
  content: Content,
): Promise<FileVersion> {
  const resolved = paths.resolve(request.path);
  try {
    await using target = await openTarget(paths, resolved);
    requireAcceptable(await existing(paths, target), request, resolved);
    await using staged = await StagedFile.open(paths, target.directory);
    for await (const piece of content) await staged.append(piece);
    return await commit(paths, target, staged, request);
  } catch (error) {
    throw fileFault(error, "write to", resolved);
  }
}

/**
 * Takes content that gets its place later. Whoever asked for it disposes it.
 * @param path Where that will be, if it is known: the bytes wait beside it, else in the workspace.
 */
export async function stageContent(
  paths: PathRules,
  path: string | undefined,
  content: Content,
): Promise<StagedFile> {
  const resolved = paths.resolve(path ?? `${paths.workspace.path}/file`);
  try {
    await using target = await openTarget(paths, resolved);
    if (path !== undefined) await existing(paths, target);
    const staged = await StagedFile.open(paths, target.directory);
    try {
      for await (const piece of content) await staged.append(piece);
      return staged;
    } catch (error) {
      await staged[Symbol.asyncDispose]();
      throw error;
    }
  } catch (error) {
    throw fileFault(error, "write to", resolved);
  }
}

/** As `writeFile`, with content that has arrived before its path. */
export async function writeStaged(
  paths: PathRules,
  request: WriteRequest,
  staged: StagedFile,
): Promise<FileVersion> {
  const resolved = paths.resolve(request.path);
  try {
    await using target = await openTarget(paths, resolved);
    return await commit(paths, target, staged, request);
  } catch (error) {
    throw fileFault(error, "write to", resolved);
  }
}

interface Target extends AsyncDisposable {
  readonly path: AbsolutePath;
  readonly directory: OpenEntry;
  readonly name: string;
}

async function openTarget(paths: PathRules, path: AbsolutePath): Promise<Target> {
  const real = await paths.calls.realpath(path).catch((error: unknown) => {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error) ?? "")) return path;
    throw error;
  });
  if (real === "/") throw new EngineError("invalid", "Cannot write to /: it is a directory");
  paths.requireOrdinary(real, path, "write to");
  const directory = await makeDirectory(paths, dirname(real));
  return {
    path,
    directory,
    name: basename(real),
    [Symbol.asyncDispose]: () => directory.handle.close(),
  };
}

function commit(
  paths: PathRules,
  target: Target,
  staged: StagedFile,
  request: WriteRequest,
): Promise<FileVersion> {
  return turns.take(`${target.directory.realPath}/${target.name}`, async () => {
    const before = await existing(paths, target);
    requireAcceptable(before, request, target.path);
    if (before) await paths.calls.requireWritable(inside(target.directory, target.name));
    const placed = await place(paths, target, staged, request, before);
    await using ours = placed === staged ? undefined : placed;
    return versionOf({ path: target.path, stats: await (ours ?? staged).handle.stat({ bigint: true }) });
  });
}

/** Gives the file that is in place now: the staged one, or its copy when that was on another file system. */
async function place(
  paths: PathRules,
  { directory, name, path }: Target,
  staged: StagedFile,
  { mode, overwrite, newFileMode = NEW_FILE_MODE, prepare }: WriteRequest,
  before: BigIntStats | undefined,
): Promise<StagedFile> {
  const dress = async (file: StagedFile) => {
    if (before) await paths.calls.giveTo(file.handle, before);
    // After the owner, because giving a file away clears its set-id bits.
    await file.handle.chmod(mode ?? (before ? Number(before.mode) & PERMISSION_BITS : newFileMode));
    await prepare?.(file.handle.fd);
    return file.place(directory, name, { replace: overwrite });
  };
  if (await dress(staged)) return staged;
  const copy = await staged.copyTo(directory);
  if (await dress(copy)) return copy;
  await copy[Symbol.asyncDispose]();
  throw new EngineError("unavailable", `Cannot write to ${path}: no new name can be made in its directory`);
}

async function existing(
  { calls }: PathRules,
  { directory, name, path }: Target,
): Promise<BigIntStats | undefined> {
  try {
    const stats = await calls.lstat(inside(directory, name));
    if (stats.isSymbolicLink()) return undefined;
    refuseUnlessFile(stats, "write to", path);
    return stats;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function requireAcceptable(
  before: BigIntStats | undefined,
  { overwrite, precondition }: WriteRequest,
  path: AbsolutePath,
): void {
  const details = { path };
  if (before && !overwrite) throw new EngineError("exists", `File already exists: ${path}`, { details });
  if (precondition === undefined || precondition(before && etagOf(before))) return;
  const found = before ? "its content is another than expected" : "there is no file";
  throw new EngineError("changed", `Cannot write to ${path}: ${found}`, {
    details: { path, ...(before ? { etag: etagOf(before) } : {}) },
  });
}
