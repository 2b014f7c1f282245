import { constants } from "node:fs";
import { lchown, link, lstat, lutimes, mkdir, open, rmdir, symlink, unlink, utimes } from "node:fs/promises";
import { EngineError } from "../error.ts";
import type { RunUser } from "../user.ts";
import { systemCode } from "./faults.ts";
import type { HeldDirectory } from "./held-directory.ts";

export interface Dress {
  readonly mode: number;
  readonly modified: Date | undefined;
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
/** A directory that its owner cannot use could not be moved, filled or removed. */
const OWNER_BITS = 0o700;
const NEW_DIRECTORY_MODE = 0o755;

/**
 * A tree that is made out of sight: in a hidden directory that only the daemon may enter, on the file system where
 * its parts are to go. Nothing in it is ever reached through a symbolic link, also not one of its own.
 */
export class StagedTree implements AsyncDisposable {
  /** Directories on the way to the last entry, the root first: most entries are beside the one before. */
  readonly #open: { readonly name: string; readonly held: HeldDirectory }[] = [];
  readonly #dresses = new Map<string, { names: readonly string[]; dress: Dress }>();

  private constructor(
    readonly root: HeldDirectory,
    readonly name: string,
    readonly parent: HeldDirectory,
    readonly user: RunUser | undefined,
  ) {}

  static async make(parent: HeldDirectory, user: RunUser | undefined): Promise<StagedTree> {
    const name = `.sanderling-${crypto.randomUUID()}.part`;
    await mkdir(parent.at(name), { mode: OWNER_BITS });
    return new StagedTree(await parent.directory(name), name, parent, user);
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
    const file = await open(await this.#vacate(names), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      let bytes = 0;
      for await (const piece of content) {
        for (let at = 0; at < piece.byteLength;) at += (await file.write(piece, at)).bytesWritten;
        bytes += piece.byteLength;
      }
      if (this.user) await file.chown(this.user.uid, this.user.gid);
      await file.chmod(mode);
      if (modified) await file.utimes(modified, modified);
      return bytes;
    } finally {
      await file.close();
    }
  }

  async symlink(names: readonly string[], target: string, modified: Date | undefined): Promise<void> {
    const place = await this.#vacate(names);
    await symlink(target, place);
    if (this.user) await lchown(place, this.user.uid, this.user.gid);
    if (modified) await lutimes(place, modified, modified);
  }

  /** @throws EngineError `invalid` when the target is no file of this tree. */
  async link(names: readonly string[], target: readonly string[]): Promise<void> {
    const place = await this.#vacate(names);
    const parent = await this.#reach(target.slice(0, -1), target);
    try {
      const source = parent.at(target.at(-1) ?? "");
      const stats = await lstat(source).catch(() => undefined);
      if (!stats?.isFile()) throw noTarget(target);
      await link(source, place);
    } finally {
      await parent[Symbol.asyncDispose]();
    }
  }

  /** Gives directories their modes and times, the deepest first: what is made in one changes its time. */
  async finish(): Promise<void> {
    const dresses = [...this.#dresses.values()].sort((one, other) => other.names.length - one.names.length);
    for (const { names, dress } of dresses) {
      const held = await this.#enter(names);
      await held.chmod((dress.mode & 0o777) | OWNER_BITS);
      if (dress.modified) await utimes(held.at("."), dress.modified, dress.modified);
    }
    await this.#leave(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leave(0);
    await empty(this.root);
    await this.root[Symbol.asyncDispose]();
    await rmdir(this.parent.at(this.name)).catch((error: unknown) => {
      // Someone has moved or removed it; it is empty.
      if (systemCode(error) !== "ENOENT") throw error;
    });
  }

  /** The place of an entry, with nothing there. A later entry replaces an earlier one, as tar does. */
  async #vacate(names: readonly string[]): Promise<string> {
    const parent = await this.#enter(names.slice(0, -1));
    const place = parent.at(names.at(-1) ?? "");
    await unlink(place).catch((error: unknown) => {
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
      await mkdir(parent.at(name), { mode: NEW_DIRECTORY_MODE });
      if (this.user) await lchown(parent.at(name), this.user.uid, this.user.gid);
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

/** Removes everything in a directory without following a link, whoever changes it meanwhile. */
async function empty(directory: HeldDirectory): Promise<void> {
  for (const entry of await directory.entries()) {
    if (entry.isDirectory()) {
      const child = await directory.directory(entry.name);
      try {
        await empty(child);
      } finally {
        await child[Symbol.asyncDispose]();
      }
      await rmdir(directory.at(entry.name));
    } else await unlink(directory.at(entry.name));
  }
}
