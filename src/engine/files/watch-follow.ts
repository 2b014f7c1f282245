import { lstat } from "node:fs/promises";
import type { Change } from "./watch-changes.ts";
import { IN, type RawEvent, type WatchQueue } from "./watch-queue.ts";
import type { OnDifference, WatchScan } from "./watch-scan.ts";
import { join, type WatchedDirectory, type WatchTree } from "./watch-tree.ts";

export interface FollowOptions {
  readonly tree: WatchTree;
  readonly queue: WatchQueue;
  readonly scan: WatchScan;
  readonly realRoot: string;
  readonly isRecursive: boolean;
  readonly isHidden: (path: string, isDirectory: boolean) => boolean;
  readonly tell: (change: Change) => void;
  /** Told that the kernel has dropped events. */
  readonly onOverflow: () => void;
}

/** How long the second half of a rename may take; without it something was moved out of the tree. */
const RENAME_MS = 10;

/** Files being written that are remembered: of more, the end of the oldest is not told. */
const MOST_REMEMBERED = 65_536;

/** Half of a rename: where something was. */
interface Moved {
  readonly cookie: number;
  readonly directory: WatchedDirectory;
  readonly name: string;
  readonly isDirectory: boolean;
}

/** Follows what the kernel says about a tree, keeps the tree up to date, and tells what it means for paths. */
export class WatchFollower {
  readonly #options: FollowOptions;
  readonly #tree: WatchTree;
  /** Files that somebody writes to just now, by their paths. */
  readonly #written = new BoundedSet();
  /** What the kernel calls files that have no name in the tree. */
  readonly #nameless = new BoundedSet();
  #moved: Moved | undefined;
  #isGone = false;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#tree = options.tree;
  }

  /** Settles when the queue has been closed or the root is gone, which is told as its deletion. */
  async follow(): Promise<void> {
    const { queue } = this.#options;
    while (!queue.isClosed && !this.#isGone) {
      await (this.#moved ? Promise.race([queue.arrival, Bun.sleep(RENAME_MS)]) : queue.arrival);
      const events = queue.take();
      if (events.length === 0) this.#settleMove();
      for (const event of events) {
        const work = this.#handle(event);
        if (work) await work;
      }
    }
  }

  #handle(event: RawEvent): Promise<void> | undefined {
    if ((event.mask & IN.Q_OVERFLOW) !== 0) return this.#recover();
    const isSecondHalf = (event.mask & IN.MOVED_TO) !== 0 && event.cookie === this.#moved?.cookie;
    if (!isSecondHalf) this.#settleMove();
    const directory = this.#tree.find(event.watch);
    if (directory === undefined) return undefined;
    if (event.name === "") {
      this.#handleSelf(directory, event.mask);
      return undefined;
    }
    const isDirectory = (event.mask & IN.ISDIR) !== 0;
    const isHidden = this.#options.isHidden(this.#tree.relative(directory, event.name), isDirectory);
    if ((event.mask & IN.MOVED_TO) !== 0) return this.#handleMovedTo(directory, event, isDirectory, isHidden);
    if ((event.mask & IN.MOVED_FROM) !== 0)
      this.#moved = { cookie: event.cookie, directory, name: event.name, isDirectory };
    else if (!isHidden) return this.#handleEntry(directory, event, isDirectory);
    return undefined;
  }

  #handleSelf(directory: WatchedDirectory, mask: number): void {
    if ((mask & IN.IGNORED) !== 0) this.#tree.remove(directory);
    const isOver = (mask & (IN.DELETE_SELF | IN.MOVE_SELF | IN.UNMOUNT)) !== 0;
    if (directory !== this.#tree.root || !isOver || this.#isGone) return;
    this.#isGone = true;
    this.#options.tell({ kind: "deleted", path: this.#tree.rootPath, isDirectory: true });
  }

  #handleEntry(directory: WatchedDirectory, { mask, name }: RawEvent, isDirectory: boolean) {
    const path = this.#tree.pathOf(directory, name);
    if ((mask & IN.CREATE) !== 0) return this.#appear(directory, name, isDirectory, false);
    if ((mask & IN.DELETE) !== 0) this.#disappear(directory, name, isDirectory);
    else if (!isKnown(directory, name)) this.#nameless.add(name);
    else if ((mask & IN.CLOSE_WRITE) === 0) {
      if ((mask & IN.MODIFY) !== 0) this.#written.add(path);
      this.#options.tell({ kind: "modified", path, isDirectory, isComplete: false });
    } else if (this.#written.delete(path))
      this.#options.tell({ kind: "modified", path, isDirectory, isComplete: true });
    return undefined;
  }

  /** @param isWhole It came with its content, instead of being written in its place. */
  async #appear(directory: WatchedDirectory, name: string, isDirectory: boolean, isWhole: boolean) {
    const path = this.#tree.pathOf(directory, name);
    const wasKnown = isKnown(directory, name);
    // Found by a look at its directory before the kernel's word of it was read.
    if (wasKnown && !isWhole) return;
    const tellCreated = () => {
      if (!wasKnown) this.#options.tell({ kind: "created", path, isDirectory });
    };
    if (isDirectory && this.#options.isRecursive) {
      // Told when it is watched: whoever hears of it can be sure to hear what is written in it.
      const told = once(tellCreated);
      await this.#options.scan.scan(directory, name, this.#onDifference, told);
      told();
      return;
    }
    tellCreated();
    directory.others.add(name);
    if (isDirectory) return;
    if (!isWhole) this.#written.add(path);
    if (isWhole || (await this.#wasLinked(directory, name))) this.#tellWritten(path);
  }

  /**
   * A file that is linked to its place when it is whole, as the file routes do it, is told as one that is written
   * there, because the kernel says nothing more of it. It is known by its number, which the kernel has called it by
   * while it had no name, or by its content being older than its place.
   */
  async #wasLinked(directory: WatchedDirectory, name: string): Promise<boolean> {
    try {
      const stats = await lstat(join(this.#options.realRoot, this.#tree.relative(directory, name)), {
        bigint: true,
      });
      if (!stats.isFile()) return false;
      return this.#nameless.delete(`#${stats.ino}`) || (stats.size > 0n && stats.ctimeNs > stats.mtimeNs);
    } catch {
      // Gone again: that is told next.
      return false;
    }
  }

  #tellWritten(path: string): void {
    this.#written.delete(path);
    this.#options.tell({ kind: "modified", path, isDirectory: false, isComplete: false });
    this.#options.tell({ kind: "modified", path, isDirectory: false, isComplete: true });
  }

  #disappear(directory: WatchedDirectory, name: string, isDirectory: boolean): void {
    this.#forget(directory, name);
    this.#options.tell({ kind: "deleted", path: this.#tree.pathOf(directory, name), isDirectory });
  }

  #forget(directory: WatchedDirectory, name: string): void {
    directory.others.delete(name);
    this.#written.delete(this.#tree.pathOf(directory, name));
    const watched = directory.directories.get(name);
    for (const watch of watched ? this.#tree.remove(watched) : []) this.#options.queue.remove(watch);
  }

  /** The first half of a rename stays alone when something was moved out of the tree, or to a hidden name. */
  #settleMove(): void {
    const moved = this.#moved;
    this.#moved = undefined;
    if (moved === undefined) return;
    const { directory, name, isDirectory } = moved;
    if (this.#options.isHidden(this.#tree.relative(directory, name), isDirectory))
      this.#forget(directory, name);
    else this.#disappear(directory, name, isDirectory);
  }

  async #handleMovedTo(
    directory: WatchedDirectory,
    { name }: RawEvent,
    isDirectory: boolean,
    isHidden: boolean,
  ): Promise<void> {
    const from = this.#moved;
    if (isHidden) {
      this.#settleMove();
      return;
    }
    this.#moved = undefined;
    const wasHidden =
      from && this.#options.isHidden(this.#tree.relative(from.directory, from.name), isDirectory);
    if (from === undefined || wasHidden === true) {
      // What was hidden may have been a directory that nobody has looked into.
      if (from) this.#forget(from.directory, from.name);
      return this.#appear(directory, name, isDirectory, true);
    }
    this.#rename(from, directory, name);
    return undefined;
  }

  #rename(from: Moved, directory: WatchedDirectory, name: string): void {
    const { isDirectory } = from;
    const [old, path] = [this.#tree.pathOf(from.directory, from.name), this.#tree.pathOf(directory, name)];
    const replaced = isKnown(directory, name);
    const moved = from.directory.directories.get(from.name);
    from.directory.others.delete(from.name);
    if (replaced) this.#forget(directory, name);
    if (moved) this.#tree.move(moved, directory, name);
    else directory.others.add(name);
    if (this.#written.delete(old)) this.#written.add(path);
    this.#options.tell({ kind: "renamed", path: old, to: path, isDirectory });
    if (replaced) this.#options.tell({ kind: "modified", path, isDirectory, isComplete: true });
    else this.#options.tell({ kind: "created", path, isDirectory });
  }

  /** What the kernel has dropped is not known, so names are compared, and the client is told to look itself. */
  async #recover(): Promise<void> {
    this.#settleMove();
    this.#options.onOverflow();
    await this.#options.scan.scan(undefined, "", this.#onDifference);
  }

  /** What was written before anybody looked is told as written; whether that is all of it nobody knows. */
  readonly #onDifference: OnDifference = (kind, directory, name, isDirectory) => {
    const path = this.#tree.pathOf(directory, name);
    this.#options.tell({ kind, path, isDirectory });
    if (kind === "deleted" || isDirectory) return;
    this.#written.add(path);
    this.#options.tell({ kind: "modified", path, isDirectory, isComplete: false });
  };
}

function isKnown(directory: WatchedDirectory, name: string): boolean {
  return directory.others.has(name) || directory.directories.has(name);
}

function once(call: () => void): () => void {
  let isCalled = false;
  return () => {
    if (!isCalled) call();
    isCalled = true;
  };
}

/** What is never taken out again makes the oldest go. */
class BoundedSet extends Set<string> {
  override add(value: string): this {
    if (this.size >= MOST_REMEMBERED) this.delete(this.values().next().value ?? "");
    return super.add(value);
  }
}
