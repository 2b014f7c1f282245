import { constants, realpathSync, type BigIntStats } from "node:fs";
import { readlink, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { EngineError } from "../error.ts";
import type { RunUser } from "../user.ts";
import type { Workspace } from "../workspace.ts";
import { fileCalls, type FileCalls } from "./calls.ts";
import { fileFault, systemCode } from "./faults.ts";
import { refuseSpecial, refuseUnlessFile } from "./kinds.ts";
import type { StagedNames } from "./staged-names.ts";

declare const absolute: unique symbol;
/** A path that `PathRules.resolve` has checked. */
export type AbsolutePath = string & { readonly [absolute]: true };

const MOST_BYTES = 4096;
const MOST_NAME_BYTES = 255;
/** File systems whose files are doors into the kernel: reading may block or tell secrets, writing may act. */
const KERNEL_TREES = ["/proc", "/sys"];
const { O_DIRECTORY, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

export interface PathRulesOptions {
  readonly workspace: Workspace;
  /** Directories outside of which nothing may be touched; none: no such bound. */
  readonly allowedRoots: readonly string[];
  /** The daemon's own part of its data directory, which no client may name. */
  readonly privateDirectory: string;
  readonly stagedNames: StagedNames;
  /** Whose files these are: what is done with them is done with this user's rights; undefined: the daemon's own. */
  readonly user: RunUser | undefined;
}

/** An open regular file or directory; whoever opened it disposes it. */
export interface OpenEntry extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly stats: BigIntStats;
  /** As the client named it, absolute. */
  readonly path: AbsolutePath;
  /** Where it really is, all symbolic links resolved. */
  readonly realPath: string;
}

/** The one place that says which paths a client may name and what may be opened. */
export class PathRules {
  readonly workspace: Workspace;
  /** How files are used: as the user whose files they are. */
  readonly calls: FileCalls;
  /** Names for what is not whole yet. */
  readonly stagedNames: StagedNames;
  readonly privateDirectory: string;
  readonly #roots: readonly string[];

  constructor({ workspace, allowedRoots, privateDirectory, user, stagedNames }: PathRulesOptions) {
    this.workspace = workspace;
    this.stagedNames = stagedNames;
    this.calls = fileCalls(user);
    this.privateDirectory = realPathOf(privateDirectory);
    this.#roots = [...new Set(allowedRoots.flatMap((root) => [root, realPathOf(root)]))];
  }

  /**
   * The absolute form of a path, relative ones counted from the workspace. Where roots are set, also the place
   * that symbolic links lead to must be inside; a path that does not exist is judged by its nearest ancestor.
   * @throws EngineError `invalid` for what cannot be a path, `denied` outside the allowed roots.
   */
  resolve(path: string): AbsolutePath {
    if (path === "") throw new EngineError("invalid", "Cannot use an empty path");
    const named = this.workspace.resolve(path);
    // Safe: this is the one place that gives out the brand.
    const resolved = (named.length > 1 ? named.replace(/\/+$/, "") : named) as AbsolutePath;
    refuseTooLong(resolved);
    if (this.#roots.length > 0) this.#requireAllowed(resolved, resolved);
    this.#requireAllowed(realAncestor(resolved), resolved);
    return resolved;
  }

  /** Opens a regular file. @throws EngineError for everything else, without ever waiting for a writer. */
  async openForRead(path: string): Promise<OpenEntry> {
    const entry = await this.open(path, O_RDONLY, "read");
    try {
      refuseUnlessFile(entry.stats, "read", entry.path);
      return entry;
    } catch (error) {
      await entry.handle.close();
      throw error;
    }
  }

  /** Opens a directory whose entries may be listed. */
  openDirectory(path: string, action: string): Promise<OpenEntry> {
    return this.open(path, O_RDONLY | O_DIRECTORY, action);
  }

  /** Opens a directory to use what is in it: with `inside` that works whatever happens to its path. */
  enterDirectory(path: string, action: string): Promise<OpenEntry> {
    return this.#open(path, action, (real) => this.calls.enter(real));
  }

  /** @param flags Beside those that keep an open from waiting or from following a link. */
  open(path: string, flags: number, action: string): Promise<OpenEntry> {
    return this.#open(path, action, (real) =>
      this.calls.open(real, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY),
    );
  }

  /**
   * Opens and then looks at what was opened: what a path leads to may change between a look and an open, a
   * descriptor stays with its file.
   */
  async #open(
    path: string,
    action: string,
    openReal: (real: string) => Promise<FileHandle>,
  ): Promise<OpenEntry> {
    const resolved = this.resolve(path);
    let handle: FileHandle | undefined;
    try {
      const real = await this.calls.realpath(resolved);
      this.requireOrdinary(real, resolved, action);
      refuseSpecial(await this.calls.stat(real), action, resolved);
      handle = await openReal(real);
      const stats = await handle.stat({ bigint: true });
      refuseSpecial(stats, action, resolved);
      const realPath = await readlink(`/proc/self/fd/${handle.fd}`);
      this.requireOrdinary(realPath, resolved, action);
      const opened = handle;
      return {
        handle: opened,
        stats,
        path: resolved,
        realPath,
        [Symbol.asyncDispose]: () => opened.close(),
      };
    } catch (error) {
      await handle?.close();
      throw fileFault(error, action, resolved);
    }
  }

  /** @throws EngineError `denied` when the real place is outside the roots or inside a kernel tree. */
  requireOrdinary(real: string, path: AbsolutePath, action: string): void {
    this.#requireAllowed(real, path);
    if (!KERNEL_TREES.some((tree) => isInside(real, tree))) return;
    throw new EngineError("denied", `Cannot ${action} ${path}: it is not a file but a door into the kernel`, {
      details: { path },
    });
  }

  #requireAllowed(real: string, path: AbsolutePath): void {
    const isAllowed = this.#roots.length === 0 || this.#roots.some((root) => isInside(real, root));
    if (isAllowed && !isInside(real, this.privateDirectory)) return;
    throw new EngineError("denied", `Path not allowed: ${path}`, { details: { path } });
  }
}

/** Whether a path is a directory or below it; both absolute and normal. */
export function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);
}

function refuseTooLong(path: string): void {
  const bytes = Buffer.byteLength(path);
  const longest = Math.max(...path.split("/").map((name) => Buffer.byteLength(name)));
  if (bytes < MOST_BYTES && longest <= MOST_NAME_BYTES) return;
  throw new EngineError(
    "invalid",
    `Cannot use a path of ${bytes} bytes whose longest name has ${longest}: the system's bounds are ` +
      `${MOST_BYTES - 1} and ${MOST_NAME_BYTES}`,
  );
}

function realAncestor(path: AbsolutePath): string {
  for (let ancestor: string = path; ; ancestor = dirname(ancestor)) {
    try {
      return realpathSync(ancestor);
    } catch (error) {
      const isMissing = ["ENOENT", "ENOTDIR"].includes(systemCode(error) ?? "");
      if (!isMissing || ancestor === "/") throw fileFault(error, "use", path);
    }
  }
}

function realPathOf(root: string): string {
  try {
    return realpathSync(root);
  } catch {
    // Made later: then its own name is all there is to go by.
    return root;
  }
}
