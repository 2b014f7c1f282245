import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { inside } from "./directories.ts";
import { systemCode } from "./faults.ts";
import type { OpenEntry, PathRules } from "./paths.ts";
import type { StagedName } from "./staged-names.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
/** Linux, the same number on x64 and arm64; Node has no name for it. */
const O_TMPFILE = 0o20000000 | O_DIRECTORY;
const COPY_BYTES = 256 * 1024;

/** Where a staged file has a name. */
interface Named {
  readonly path: string;
  readonly staged: StagedName;
}

/**
 * The new content of a file until it is whole. It has no name, so that nothing is left of it when the daemon
 * is killed; on file systems that cannot do that it has one that the next daemon knows of.
 */
export class StagedFile implements AsyncDisposable {
  readonly handle: FileHandle;
  readonly #paths: PathRules;
  #size = 0;
  #named: Named | undefined;

  private constructor(paths: PathRules, handle: FileHandle, named?: Named) {
    this.#paths = paths;
    this.handle = handle;
    this.#named = named;
  }

  /** @throws the system's error when the directory cannot be written. */
  static async open(paths: PathRules, directory: OpenEntry): Promise<StagedFile> {
    try {
      return new StagedFile(paths, await paths.calls.open(inside(directory, "."), O_TMPFILE | O_RDWR, 0o600));
    } catch (error) {
      if (!["EOPNOTSUPP", "EISDIR", "EINVAL"].includes(systemCode(error) ?? "")) throw error;
    }
    // By its real path, because it may outlive the open directory.
    const staged = paths.stagedNames.give(directory.realPath);
    const path = `${directory.realPath}/${staged.name}`;
    try {
      const handle = await paths.calls.open(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR, 0o600);
      return new StagedFile(paths, handle, { path, staged });
    } catch (error) {
      staged.forget();
      throw error;
    }
  }

  get size(): number {
    return this.#size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    // A disk that fills takes a part first and says so with the next call.
    for (let at = 0; at < bytes.byteLength;) {
      const { bytesWritten } = await this.handle.write(bytes, at, bytes.byteLength - at, this.#size);
      at += bytesWritten;
      this.#size += bytesWritten;
    }
  }

  /**
   * Gives it its name, in one step that others see either done or not at all, and lasting after a power cut.
   * @returns false when the directory is on another file system.
   */
  async place(directory: OpenEntry, name: string, options: { replace: boolean }): Promise<boolean> {
    await this.handle.sync();
    if (!(await this.#moveTo(directory))) return false;
    const from = this.#named?.path ?? "";
    try {
      if (options.replace) await this.#paths.calls.rename(from, inside(directory, name));
      else await this.#paths.calls.link(from, inside(directory, name));
    } finally {
      await this.#forget();
    }
    await directory.handle.sync();
    return true;
  }

  /** A copy in a directory of another file system. */
  async copyTo(directory: OpenEntry): Promise<StagedFile> {
    const copy = await StagedFile.open(this.#paths, directory);
    try {
      const buffer = new Uint8Array(COPY_BYTES);
      for (;;) {
        const { bytesRead } = await this.handle.read(buffer, 0, buffer.byteLength, copy.size);
        if (bytesRead === 0) return copy;
        await copy.append(buffer.subarray(0, bytesRead));
      }
    } catch (error) {
      await copy[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#forget();
    await this.handle.close();
  }

  /** Gives it a name in the directory where it is to be; false when that cannot be done. */
  async #moveTo(directory: OpenEntry): Promise<boolean> {
    const staged = this.#paths.stagedNames.give(directory.realPath);
    const path = inside(directory, staged.name);
    let isThere = false;
    try {
      isThere = await this.#name(path);
    } finally {
      if (!isThere) staged.forget();
    }
    if (!isThere) return false;
    this.#named?.staged.forget();
    this.#named = { path, staged };
    return true;
  }

  async #name(path: string): Promise<boolean> {
    const { calls } = this.#paths;
    if (this.#named === undefined) return calls.linkOpen(this.handle.fd, path);
    try {
      await calls.rename(this.#named.path, path);
      return true;
    } catch (error) {
      if (systemCode(error) === "EXDEV") return false;
      throw error;
    }
  }

  /** Takes away its name, unless that has been given to the file in place. */
  async #forget(): Promise<void> {
    if (this.#named === undefined) return;
    const { path, staged } = this.#named;
    this.#named = undefined;
    await this.#paths.calls.unlink(path).catch((error: unknown) => {
      // It is in place, or someone else has removed it or the whole directory.
      if (systemCode(error) !== "ENOENT") throw error;
    });
    staged.forget();
  }
}
