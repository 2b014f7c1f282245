import { constants } from "node:fs";
import { EngineError } from "../error.ts";
import type { FileCalls } from "./calls.ts";
import { systemCode } from "./faults.ts";
import type { HeldDirectory } from "./held-directory.ts";
import { emptyDirectory } from "./remove-tree.ts";
import type { StagedName } from "./staged-names.ts";
import { Syncs } from "./syncs.ts";

export interface Dress {
  readonly mode: number;
  readonly modified: Date | undefined;
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
/** A directory that its owner cannot use could not be moved, filled or removed. */
const OWNER_BITS = 0o700;
const NEW_DIRECTORY_MODE = 0o755;

/**
 * A tree that is made out of sight: in a hidden directory that only its owner may enter, on the file system where
 * its parts are to go. Nothing in it is ever reached through a symbolic link, also not one of its own. Everything
 * is made with the rights of whoever it will belong to.
 */
export class StagedTree implements AsyncDisposable {
  /** Directories on the way to the last entry, the root first: most entries are beside the one before. */
  readonly #open: { readonly name: string; readonly held: HeldDirectory }[] = [];
  readonly #dresses = new Map<string, { names: readonly string[]; dress: Dress }>();

  readonly #syncs = new Syncs();
  readonly #calls: FileCalls;

  private constructor(
    readonly root: HeldDirectory,
    readonly name: StagedName,
    readonly parent: HeldDirectory,
  ) {
    this.#calls = root.calls;
  }

  /** @param name For the hidden directory. @throws the system's error. */
  static async make(parent: HeldDirectory, name: StagedName): Promise<StagedTree> {
    try {
      await parent.calls.mkdir(parent.at(name.name), OWNER_BITS);
      return new StagedTree(await parent.directory(name.name), name, parent);
    } catch (error) {
      name.forget();
      throw error;
    }
  }

  async directory(names: readonly string[], dress: Dress): Promise<void> {
    await this.#enter(names);
    this.#dresses.set(names.join("/"), { names, dress });
  }

  /** Tells how many bytes it got. */
  async file(
    names: readonly string[],
    { mode, modified }: Dress,
    content: AsyncIterable<Uint8Array>,
  ): Promise<number> {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    const file = await this.#calls.open(await this.#vacate(names), flags, 0o600);
    try {
      let bytes = 0;
      for await (const piece of content) {
        for (let at = 0; at < piece.byteLength;) at += (await file.write(piece, at)).bytesWritten;
        bytes += piece.byteLength;
      }
      await file.chmod(mode);
      if (modified) await file.utimes(modified, modified);
      await this.#syncs.begin(file);
      return bytes;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async symlink(names: readonly string[], target: string, modified: Date | undefined): Promise<void> {
    const place = await this.#vacate(names);
    await this.#calls.symlink(target, place);
    if (modified) await this.#calls.lutimes(place, modified, modified);
  }

  /** @throws EngineError `invalid` when the target is no file of this tree. */
  async link(names: readonly string[], target: readonly string[]): Promise<void> {
    const place = await this.#vacate(names);
    const parent = await this.#reach(target.slice(0, -1), target);
    try {
      const source = parent.at(target.at(-1) ?? "");
      const stats = await this.#calls.lstat(source).catch(() => undefined);
      if (!stats?.isFile()) throw noTarget(target);
      await this.#calls.link(source, place);
    } finally {
      await parent[Symbol.asyncDispose]();
    }
  }

  /**
   * Gives directories their modes and times, the deepest first: what is made in one changes its time. Then all of
   * it is on the disk.
   */
  async finish(): Promise<void> {
    await this.#syncs.all();
    const dresses = [...this.#dresses.values()].sort((one, other) => other.names.length - one.names.length);
    for (const { names, dress } of dresses) {
      const held = await this.#enter(names);
      await held.chmod((dress.mode & 0o777) | OWNER_BITS);
      if (dress.modified) await held.utimes(dress.modified, dress.modified);
      await held.sync();
    }
    await this.#leave(0);
    await this.root.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leave(0);
    await this.#syncs.all().catch(() => undefined);
    await emptyDirectory(this.root);
    await this.root[Symbol.asyncDispose]();
    await this.#calls.rmdir(this.parent.at(this.name.name)).catch((error: unknown) => {
      // Someone has moved or removed it; it is empty.
      if (systemCode(error) !== "ENOENT") throw error;
    });
    this.name.forget();
  }

  /** The place of an entry, with nothing there. A later entry replaces an earlier one, as tar does. */
  async #vacate(names: readonly string[]): Promise<string> {
    const parent = await this.#enter(names.slice(0, -1));
    const place = parent.at(names.at(-1) ?? "");
    await this.#calls.unlink(place).catch((error: unknown) => {
      if (systemCode(error) !== "ENOENT") throw error;
    });
    return place;
  }

  /** The directory at the end of a way, made where it is missing; it stays this tree's own. */
  async #enter(names: readonly string[]): Promise<HeldDirectory> {
    let known = 0;
    while (known < names.length && this.#open[known]?.name === names[known]) known++;
    await this.#leave(known);
    let held = this.#open.at(-1)?.held ?? this.root;
    for (const name of names.slice(known)) {
      held = await this.#make(held, name, names);
      this.#open.push({ name, held });
    }
    return held;
  }

  async #make(parent: HeldDirectory, name: string, names: readonly string[]): Promise<HeldDirectory> {
    try {
      await this.#calls.mkdir(parent.at(name), NEW_DIRECTORY_MODE);
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    }
    return parent.directory(name).catch((error: unknown) => {
      if (!["ELOOP", "ENOTDIR"].includes(systemCode(error) ?? "")) throw error;
      const way = JSON.stringify(names.join("/"));
      throw new EngineError("invalid", `Cannot unpack into ${way}: ${JSON.stringify(name)} is no directory`);
    });
  }

  async #leave(known: number): Promise<void> {
    for (const { held } of this.#open.splice(known).reverse()) await held[Symbol.asyncDispose]();
  }

  /** As `#enter`, without making anything; the caller disposes it. */
  async #reach(names: readonly string[], target: readonly string[]): Promise<HeldDirectory> {
    let held = await this.root.directory(".");
    for (const name of names) {
      const parent = held;
      held = await parent
        .directory(name)
        .catch(() => {
          throw noTarget(target);
        })
        .finally(() => parent[Symbol.asyncDispose]());
    }
    return held;
  }
}

function noTarget(target: readonly string[]): EngineError {
  return new EngineError(
    "invalid",
    `Cannot unpack a hard link to ${JSON.stringify(target.join("/"))}: it is no file of the archive`,
  );
}
