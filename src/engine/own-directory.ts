import { chmodSync, closeSync, constants, lstatSync, mkdtempSync, openSync, renameSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileCalls } from "./files/calls.ts";
import { systemCode } from "./files/faults.ts";
import { HeldDirectory } from "./files/held-directory.ts";
import { removeTree } from "./files/remove-tree.ts";
import { lockFile } from "./process/libc.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/**
 * A directory of one daemon's own, for as long as it lives. It is locked, and the kernel lifts the lock when the
 * daemon ends, however that happens. A pid written down would not do: it may be another's by then, and means
 * another process to a daemon in another container. Cleaners of /tmp leave what is locked alone.
 */
export class OwnDirectory implements AsyncDisposable {
  readonly path: string;
  readonly #lock: number;

  private constructor(path: string, lock: number) {
    this.path = path;
    this.#lock = lock;
  }

  /** A new one; its name cannot be guessed. @param mode Its permission bits, whatever the umask. */
  static make(parent: string, prefix: string, mode: number): OwnDirectory {
    const made = mkdtempSync(join(parent, `.${prefix}`));
    chmodSync(made, mode);
    const lock = openSync(made, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    // On a file system without locks nobody else gets one either, so it is never taken for abandoned.
    lockFile(lock);
    // Under the name that others look for only now, or they could find it before it was locked.
    const path = join(parent, basename(made).slice(1));
    renameSync(made, path);
    return new OwnDirectory(path, lock);
  }

  /** Those that daemons which are gone left there, now this one's: of two that look each is given to one. */
  static async abandoned(parent: string, prefix: string): Promise<OwnDirectory[]> {
    const found: OwnDirectory[] = [];
    for (const name of (await readdir(parent)).filter((one) => one.startsWith(prefix))) {
      const lock = takeLock(join(parent, name));
      if (lock !== undefined) found.push(new OwnDirectory(join(parent, name), lock));
    }
    return found;
  }

  /** Removes it with everything in it. @throws the system's error. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await using parent = await HeldDirectory.open(dirname(this.path), fileCalls(undefined));
      await removeTree(parent, Buffer.from(basename(this.path)));
    } catch (error) {
      // Someone was tidier.
      if (systemCode(error) !== "ENOENT") throw error;
    } finally {
      closeSync(this.#lock);
    }
  }
}

/** Undefined when it is a living daemon's, another user's, or no directory. */
function takeLock(path: string): number | undefined {
  let lock: number | undefined;
  try {
    const stats = lstatSync(path);
    if (!stats.isDirectory() || stats.uid !== process.geteuid?.()) return undefined;
    lock = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (lockFile(lock)) return lock;
  } catch {
    // It has gone while it was looked at.
  }
  if (lock !== undefined) closeSync(lock);
  return undefined;
}
