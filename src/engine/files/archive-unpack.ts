import { readArchive, type ArchiveEntry, type ArchiveLimits } from "./archive-read.ts";
import { makeDirectory } from "./directories.ts";
import { fileFault } from "./faults.ts";
import { HeldDirectory } from "./held-directory.ts";
import { mergeInto, refuseConflicts } from "./archive-merge.ts";
import { StagedTree } from "./staged-tree.ts";
import type { AbsolutePath, PathRules } from "./paths.ts";

export interface UnpackRequest extends ArchiveLimits {
  /** The directory to unpack into; made where it is missing. */
  readonly path: string;
  /** Whether files that are there may be replaced. */
  readonly overwrite: boolean;
}

export interface UnpackResult {
  readonly path: AbsolutePath;
  readonly files: number;
  readonly directories: number;
  readonly links: number;
  readonly bytes: number;
}

/**
 * Unpacks a tar or tar.gz. Everything is first unpacked into a directory of its own beside what is there,
 * checked, and only then moved into place entry by entry, each in one step. So a bad archive, a full disk or a
 * client that leaves changes nothing; a daemon killed while it moves can leave a part of the entries in place, each
 * of them whole.
 * @throws EngineError `invalid` for what is no archive or would leave the directory, `too_large`, `exists`.
 */
export async function unpackArchive(
  paths: PathRules,
  request: UnpackRequest,
  body: AsyncIterable<Uint8Array>,
): Promise<UnpackResult> {
  const path = paths.resolve(request.path);
  try {
    const directory = await makeDirectory(paths, path);
    await using target = new HeldDirectory(directory.handle, paths.calls);
    await using tree = await StagedTree.make(target, paths.stagedNames.give(directory.realPath));
    const counts = { files: 0, directories: 0, links: 0, bytes: 0 };
    for await (const entry of readArchive(body, request)) await place(tree, entry, counts);
    await tree.finish();
    await refuseConflicts(tree.root, target, { overwrite: request.overwrite, path });
    await mergeInto(tree.root, target);
    return { path, ...counts };
  } catch (error) {
    throw fileFault(error, "unpack into", path);
  }
}

type Counts = Record<"files" | "directories" | "links" | "bytes", number>;

async function place(tree: StagedTree, entry: ArchiveEntry, counts: Counts): Promise<void> {
  const { names, mode, modified } = entry;
  switch (entry.type) {
    case "directory":
      await tree.directory(names, { mode, modified });
      counts.directories++;
      return;
    case "file":
      counts.bytes += await tree.file(names, { mode, modified }, entry.content);
      counts.files++;
      return;
    case "symlink":
      await tree.symlink(names, entry.target, modified);
      counts.links++;
      return;
    case "link":
      await tree.link(names, entry.target);
      counts.links++;
      return;
  }
}
