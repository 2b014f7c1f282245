import { constants, type Dirent } from "node:fs";
import { readdir, type FileHandle } from "node:fs/promises";
import type { FileCalls } from "./calls.ts";

const { O_DIRECTORY, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/**
 * A directory held open. What is in it is named by way of its descriptor, so that nobody who renames a parent or
 * puts a symbolic link in its place can lead the daemon elsewhere.
 */
export class HeldDirectory implements AsyncDisposable {
  readonly #handle: FileHandle;

  /** @param calls How what is in it is used. */
  constructor(
    handle: FileHandle,
    readonly calls: FileCalls,
  ) {
    this.#handle = handle;
  }

  /** @throws the system's error, also when `path` ends in a symbolic link. */
  static async open(path: string | Buffer, calls: FileCalls): Promise<HeldDirectory> {
    return new HeldDirectory(await calls.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), calls);
  }

  /** A path of one entry that leads there whatever happens to the directory's own path. */
  at(name: string): string {
    return `/proc/self/fd/${this.#handle.fd}/${name}`;
  }

  /** As `at`, for a name that need not be valid UTF-8. */
  atBytes(name: Buffer): Buffer {
    return Buffer.concat([Buffer.from(this.at("")), name]);
  }

  /** @throws the system's error; ELOOP or ENOTDIR for a symbolic link. */
  directory(name: string): Promise<HeldDirectory> {
    return HeldDirectory.open(this.at(name), this.calls);
  }

  /** Opens an entry for reading without following a link or waiting for a writer. */
  file(name: string): Promise<FileHandle> {
    return this.calls.open(this.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  }

  /** By name, in the order of their characters. */
  async entries(): Promise<Dirent[]> {
    const entries = await readdir(`/proc/self/fd/${this.#handle.fd}`, { withFileTypes: true });
    return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** The bytes of all names, in no order. */
  names(): Promise<Buffer[]> {
    return readdir(this.at(""), { encoding: "buffer" });
  }

  chmod(mode: number): Promise<void> {
    return this.#handle.chmod(mode);
  }

  utimes(accessed: Date, modified: Date): Promise<void> {
    return this.#handle.utimes(accessed, modified);
  }

  /** Makes the names in it outlive a power cut. */
  sync(): Promise<void> {
    return this.#handle.sync();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#handle.close();
  }
}
