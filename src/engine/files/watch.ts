import { basename, dirname } from "node:path";
import { EngineError } from "../error.ts";
import { fileFault } from "./faults.ts";
import { GlobRules } from "./glob-rules.ts";
import type { AbsolutePath, PathRules } from "./paths.ts";
import { isStagedName } from "./staged-names.ts";
import { WaitingChanges, type Change } from "./watch-changes.ts";
import { WatchFollower } from "./watch-follow.ts";
import { WatchQueue } from "./watch-queue.ts";
import { WatchScan } from "./watch-scan.ts";
import { WatchTree } from "./watch-tree.ts";

export interface WatchRequest {
  /** A directory, or a file. */
  readonly path: string;
  readonly isRecursive: boolean;
  /** What is not told of nor looked into, with the meaning these lines have in a .gitignore at the root. */
  readonly ignore: readonly string[];
}

export type WatchEvent =
  | { readonly type: "change"; readonly change: Change }
  /** Changes have been lost: what is there has to be looked at again. */
  | { readonly type: "overflow" }
  /** From here on directories are not watched: the kernel gives no more watches. */
  | { readonly type: "limit"; readonly path: string };
type Note = Exclude<WatchEvent, { type: "change" }>;

/** Between two batches; what happens meanwhile is joined. The first change after a pause is told at once. */
const BATCH_MS = 20;
const MOST_WAITING_PATHS = 65_536;

/**
 * Starts to watch; when it has been given, every later change is told.
 * @throws EngineError `not_found`, `denied`, `invalid`, `busy` when the kernel gives no watch at all.
 */
export async function watchFiles(paths: PathRules, request: WatchRequest): Promise<FileWatcher> {
  const path = paths.resolve(request.path);
  try {
    const isDirectory = (await paths.calls.stat(path)).isDirectory();
    const rootPath = isDirectory ? path : (dirname(path) as AbsolutePath);
    const realRoot = await paths.calls.realpath(rootPath);
    paths.requireOrdinary(realRoot, path, "watch");
    const watcher = new FileWatcher(paths, request, {
      rootPath,
      realRoot,
      only: isDirectory ? undefined : basename(path),
    });
    await watcher.start();
    return watcher;
  } catch (error) {
    throw fileFault(error, "watch", path);
  }
}

interface Place {
  readonly rootPath: string;
  readonly realRoot: string;
  /** The one name that matters, where a file is watched. */
  readonly only: string | undefined;
}

/** Watches one tree and tells what changes in it. One reader. */
export class FileWatcher implements AsyncDisposable {
  readonly #tree: WatchTree;
  readonly #queue = new WatchQueue();
  readonly #scan: WatchScan;
  readonly #follower: WatchFollower;
  readonly #waiting = new WaitingChanges(MOST_WAITING_PATHS);
  readonly #ignored: GlobRules;
  readonly #only: string | undefined;
  #notes: Note[] = [];
  #isLimited = false;
  #isOver = false;
  #following: Promise<void> = Promise.resolve();
  #fault: { readonly error: unknown } | undefined;

  constructor(paths: PathRules, request: WatchRequest, { rootPath, realRoot, only }: Place) {
    this.#tree = new WatchTree(rootPath);
    this.#only = only;
    this.#ignored = new GlobRules(request.ignore);
    const shared = {
      paths,
      tree: this.#tree,
      queue: this.#queue,
      realRoot,
      isRecursive: request.isRecursive && only === undefined,
      isHidden: (path: string, isDirectory: boolean) => this.#isHidden(path, isDirectory),
    };
    this.#scan = new WatchScan({ ...shared, onLimit: (path) => this.#tellLimit(path) });
    this.#follower = new WatchFollower({
      ...shared,
      scan: this.#scan,
      tell: (change) => {
        if (!this.#waiting.add(change)) this.#note({ type: "overflow" });
      },
      onOverflow: () => this.#note({ type: "overflow" }),
    });
  }

  /** Directories that are watched. */
  get directories(): number {
    return this.#tree.size;
  }

  /** Looks at everything once. @throws EngineError `busy` or `denied` when not even the root can be watched. */
  async start(): Promise<void> {
    const root = await this.#scan.scan(undefined, "", undefined);
    if (root) this.#following = this.#follow();
    else {
      await this[Symbol.asyncDispose]();
      throw this.#isLimited
        ? new EngineError("busy", `Cannot watch ${this.#tree.rootPath}: the kernel gives no more watches`)
        : new EngineError("denied", `Cannot watch ${this.#tree.rootPath}: it cannot be read`);
    }
  }

  /** What changes, until the watcher is disposed of or the root is gone. */
  async *events(): AsyncGenerator<WatchEvent, void> {
    let last = -BATCH_MS;
    for (;;) {
      const arrival = this.#waiting.arrival;
      if (this.#fault) throw this.#fault.error;
      if (this.#notes.length === 0 && this.#waiting.isEmpty) {
        if (this.#isOver) return;
        await arrival;
        const pauseMs = last + BATCH_MS - performance.now();
        if (pauseMs > 0) await Bun.sleep(pauseMs);
        continue;
      }
      last = performance.now();
      const notes = this.#notes;
      this.#notes = [];
      yield* notes;
      for (const change of this.#waiting.take()) yield { type: "change", change };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
    await this.#following;
  }

  async #follow(): Promise<void> {
    try {
      await this.#follower.follow();
    } catch (error) {
      this.#fault = { error };
    } finally {
      this.#isOver = true;
      this.#waiting.wake();
    }
  }

  #isHidden(path: string, isDirectory: boolean): boolean {
    if (this.#only !== undefined) return path !== this.#only;
    const name = path.slice(path.lastIndexOf("/") + 1);
    return isStagedName(name) || this.#ignored.matches(path, isDirectory) === true;
  }

  #tellLimit(path: string): void {
    if (!this.#isLimited) this.#note({ type: "limit", path });
    this.#isLimited = true;
  }

  #note(note: Note): void {
    if (!this.#notes.some(({ type }) => type === note.type)) this.#notes.push(note);
    this.#waiting.wake();
  }
}
