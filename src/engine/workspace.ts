import { accessSync, chownSync, constants, mkdirSync, statSync } from "node:fs";
import { isAbsolute, join, normalize, relative, resolve } from "node:path";
import { mayEnter } from "./access.ts";
import { asUser } from "./as-user.ts";
import { EngineError } from "./error.ts";
import { systemCode } from "./files/faults.ts";
import type { RunUser } from "./user.ts";

/** Where the published pages and every client library say that work happens. */
export const DOCUMENTED_WORKSPACE = "/workspace";

/** The directory in which runs work unless told otherwise. */
export class Workspace {
  /** Absolute path. */
  readonly path: string;
  readonly #standsInForDocumented: boolean;

  private constructor(path: string) {
    this.path = path;
    this.#standsInForDocumented = path !== DOCUMENTED_WORKSPACE && !isDirectory(DOCUMENTED_WORKSPACE);
  }

  /**
   * Makes the directory where it is missing and gives a new one to the user who works there. Without rights
   * to make it, `fallback` is used and `onFallback` told.
   * @throws EngineError `unavailable` when neither can be made.
   */
  static open(options: {
    path: string;
    fallback: string;
    owner: RunUser | undefined;
    onFallback: (reason: string) => void;
  }): Workspace {
    const path = resolve(options.path);
    const failure = make(path, options.owner);
    if (failure === undefined) return new Workspace(path);
    if (path === options.fallback || make(options.fallback, options.owner) !== undefined) {
      throw new EngineError("unavailable", `Cannot use ${path} as the workspace: ${failure}`);
    }
    options.onFallback(`Cannot use ${path} as the workspace (${failure}); using ${options.fallback}`);
    return new Workspace(options.fallback);
  }

  /**
   * The absolute form of a directory named by a client: relative to the workspace, and where this machine has
   * no `/workspace` of its own, paths below that documented name mean the workspace.
   * @throws EngineError `invalid` for a path with NUL bytes.
   */
  resolve(path: string | undefined): string {
    if (path === undefined || path === "") return this.path;
    if (path.includes("\0")) throw new EngineError("invalid", "Cannot use a path with a NUL byte");
    if (!isAbsolute(path)) return resolve(this.path, path);
    const below = relative(DOCUMENTED_WORKSPACE, normalize(path));
    const isDocumented = !below.startsWith("..");
    return this.#standsInForDocumented && isDocumented ? join(this.path, below) : normalize(path);
  }

  /**
   * As `resolve`, for a directory to work in. The workspace itself is made again when someone removed it.
   * @throws EngineError `invalid` when it is not there or is not a directory, `denied` when the user may not
   * enter it.
   */
  directory(path: string | undefined, owner: RunUser | undefined): string {
    const absolute = this.resolve(path);
    if (isDirectory(absolute)) {
      if (owner === undefined || mayEnter(absolute, owner)) return absolute;
      throw new EngineError("denied", `Working directory is closed to the user ${owner.name}: ${absolute}`, {
        details: { path: absolute },
      });
    }
    if (absolute === this.path && make(absolute, owner) === undefined) return absolute;
    throw new EngineError("invalid", `Working directory does not exist: ${absolute}`, {
      details: { path: absolute },
    });
  }
}

function make(path: string, owner: RunUser | undefined): string | undefined {
  try {
    if (owner) makeFor(owner, path);
    else mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * As the user where the user may: whoever can make it can also put something else in its place before it is given
 * away. Where the user may not, nobody can.
 */
function makeFor(owner: RunUser, path: string): void {
  try {
    asUser(owner, () => mkdirSync(path, { recursive: true }));
  } catch (error) {
    if (systemCode(error) !== "EACCES") throw error;
    const created = mkdirSync(path, { recursive: true });
    if (created !== undefined) chownSync(path, owner.uid, owner.gid);
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
