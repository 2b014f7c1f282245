import { constants } from "node:fs";
import { link, open, rename, unlink, type FileHandle } from "node:fs/promises";
import { linkOpenFile } from "../process/libc.ts";
import { inside } from "./directories.ts";
import { systemCode } from "./faults.ts";
import type { OpenEntry } from "./paths.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
/** Linux, the same number on x64 and arm64; Node has no name for it. */
const O_TMPFILE = 0o20000000 | O_DIRECTORY;
const COPY_BYTES = 256 * 1024;

/**
 * The new content of a file until it is whole. It has no name, so that nothing is left of it when the daemon
 * is killed; on file systems that cannot do that it has one that nobody guesses.
 */
export class StagedFile implements AsyncDisposable {
  #size = 0;
  /** Its present name, on file systems that need one. */
  #name: string | undefined;

  private constructor(
    readonly handle: FileHandle,
    name: string | undefined,
  ) {
    this.#name = name;
  }

  /** @throws the system's error when the directory cannot be written. */
  static async open(directory: OpenEntry): Promise<StagedFile> {
    try {
      return new StagedFile(await open(inside(directory, "."), O_TMPFILE | O_RDWR, 0o600), undefined);
    } catch (error) {
      if (!["EOPNOTSUPP", "EISDIR", "EINVAL"].includes(systemCode(error) ?? "")) throw error;
    }
    // By its real path, because it may outlive the open directory.
    const name = `${directory.realPath}/${temporaryName()}`;
    return new StagedFile(await open(name, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR, 0o600), name);
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
    const temporary = inside(directory, temporaryName());
    if (!(await this.#moveTo(temporary))) return false;
    this.#name = temporary;
    try {
      if (options.replace) {
        await rename(temporary, inside(directory, name));
        this.#name = undefined;
      } else {
        await link(temporary, inside(directory, name));
      }
    } finally {
      await this.#forget();
    }
    await directory.handle.sync();
    return true;
  }

  /** A copy in a directory of another file system. */
  async copyTo(directory: OpenEntry): Promise<StagedFile> {
    const copy = await StagedFile.open(directory);
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

  async #moveTo(temporary: string): Promise<boolean> {
    if (this.#name === undefined) return linkOpenFile(this.handle.fd, temporary);
    try {
      await rename(this.#name, temporary);
      return true;
    } catch (error) {
      if (systemCode(error) === "EXDEV") return false;
      throw error;
    }
  }

  async #forget(): Promise<void> {
    if (this.#name === undefined) return;
    const name = this.#name;
    this.#name = undefined;
    await unlink(name).catch((error: unknown) => {
      // Someone else has removed it, or the whole directory.
      if (systemCode(error) !== "ENOENT") throw error;
    });
  }
}

function temporaryName(): string {
  return `.sanderling-${crypto.randomUUID()}.part`;
}
