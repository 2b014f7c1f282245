import { constants, type Dirent } from "node:fs";
import { readdir, readlink } from "node:fs/promises";
import { isInside, type AbsolutePath, type PathRules } from "./paths.ts";
import type { WatchQueue } from "./watch-queue.ts";
import { join, type WatchedDirectory, type WatchTree } from "./watch-tree.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
/** Directories that one watcher may watch, whatever the kernel allows: each takes memory here and there. */
const MOST_DIRECTORIES = 131_072;

export interface ScanOptions {
  readonly paths: PathRules;
  readonly tree: WatchTree;
  readonly queue: WatchQueue;
  /** Where the root really is. */
  readonly realRoot: string;
  readonly isRecursive: boolean;
  readonly isHidden: (path: string, isDirectory: boolean) => boolean;
  /** Told of a directory that cannot be watched because there are too many. */
  readonly onLimit: (path: string) => void;
}

/** Told what a directory has or has no more, compared with what was known of it. */
export type OnDifference = (
  kind: "created" | "deleted",
  directory: WatchedDirectory,
  name: string,
  isDirectory: boolean,
) => void;

/** Watches directories and learns what is in them. The watch is set first, so that nothing falls in between. */
export class WatchScan {
  readonly #options: ScanOptions;

  constructor(options: ScanOptions) {
    this.#options = options;
  }

  /**
   * Looks at a directory and all below it. What cannot be opened, or leads out of the tree by now, is left out.
   * @param onWatched Told when the directory itself is watched and listed, before any difference in it.
   * @returns It, or undefined when it is not watched.
   */
  async scan(
    parent: WatchedDirectory | undefined,
    name: string,
    onDifference: OnDifference | undefined,
    onWatched?: () => void,
  ): Promise<WatchedDirectory | undefined> {
    const found = await this.#scanOne(parent, name, onDifference, onWatched);
    const waiting = found ? [found] : [];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      for (const subdirectory of next.subdirectories) {
        const below = await this.#scanOne(next.directory, subdirectory, onDifference);
        if (below) waiting.push(below);
      }
    }
    return found?.directory;
  }

  async #scanOne(
    parent: WatchedDirectory | undefined,
    name: string,
    onDifference: OnDifference | undefined,
    onWatched?: () => void,
  ) {
    const { paths, tree, realRoot } = this.#options;
    const relative = parent ? tree.relative(parent, name) : "";
    const real = join(realRoot, relative);
    try {
      const handle = await paths.calls.open(real, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      try {
        const opened = `/proc/self/fd/${handle.fd}`;
        // Somebody may have put a link into the way since.
        const actual = await readlink(opened);
        if (!isInside(actual, realRoot)) return undefined;
        // Safe: its root has been checked, and it is inside.
        paths.requireOrdinary(actual, real as AbsolutePath, "watch");
        const directory = this.#watch(parent, name, opened);
        if (!directory) return undefined;
        const entries = await readdir(opened, { withFileTypes: true });
        // What is written from here on is in the kernel's words only.
        onWatched?.();
        return { directory, subdirectories: this.#learn(directory, entries, onDifference) };
      } finally {
        await handle.close();
      }
    } catch {
      // Gone again, closed to whoever the files belong to, or one that no client may name.
      return undefined;
    }
  }

  #watch(parent: WatchedDirectory | undefined, name: string, opened: string): WatchedDirectory | undefined {
    const { tree, queue, onLimit } = this.#options;
    const watch = tree.size < MOST_DIRECTORIES ? queue.add(opened) : "too_many";
    if (watch === "too_many") onLimit(parent ? tree.pathOf(parent, name) : tree.rootPath);
    return typeof watch === "number" ? tree.add(parent, name, watch) : undefined;
  }

  /** Brings what is known of a directory up to date. @returns The names of the directories to look at next. */
  #learn(
    directory: WatchedDirectory,
    entries: readonly Dirent[],
    onDifference: OnDifference | undefined,
  ): string[] {
    const { tree, isHidden, isRecursive } = this.#options;
    const gone = new Set([...directory.others, ...directory.directories.keys()]);
    const subdirectories: string[] = [];
    for (const entry of entries) {
      const isDirectory = entry.isDirectory();
      if (isHidden(tree.relative(directory, entry.name), isDirectory)) continue;
      const isKnown = gone.delete(entry.name);
      if (isDirectory && isRecursive) subdirectories.push(entry.name);
      else directory.others.add(entry.name);
      if (!isKnown) onDifference?.("created", directory, entry.name, isDirectory);
    }
    for (const name of gone) {
      const old = directory.directories.get(name);
      if (old) tree.remove(old);
      directory.others.delete(name);
      onDifference?.("deleted", directory, name, old !== undefined);
    }
    return subdirectories;
  }
}
