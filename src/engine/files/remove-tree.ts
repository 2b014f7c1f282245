import { systemCode } from "./faults.ts";
import { HeldDirectory } from "./held-directory.ts";

/** System calls in flight at once; more only wait for each other. */
const AT_ONCE = 64;
/** Each level holds a descriptor. */
const MOST_DEPTH = 128;

/**
 * Removes one entry of a directory, and everything in it. Every step is by way of an open directory and none
 * follows a link, so whoever changes the tree meanwhile leads the daemon nowhere else.
 * @throws the system's error: ENOENT when there is no such entry.
 */
export async function removeTree(parent: HeldDirectory, name: Buffer): Promise<void> {
  if (await unlinked(parent, name)) return;
  {
    await using root = await enter(parent, name);
    await new Emptying(root).all();
  }
  await parent.calls.rmdir(parent.atBytes(name));
}

/** Removes everything in a directory and leaves the directory. @throws as `removeTree`. */
export function emptyDirectory(root: HeldDirectory): Promise<void> {
  return new Emptying(root).all();
}

class Emptying {
  readonly #root: HeldDirectory;
  /** Directories from too far down, moved to the root under these names to be removed from there. */
  readonly #moved: Buffer[] = [];

  constructor(root: HeldDirectory) {
    this.#root = root;
  }

  async all(): Promise<void> {
    await this.#contents(this.#root, 1);
    for (let name = this.#moved.pop(); name; name = this.#moved.pop())
      await this.#directory(this.#root, name, 1);
  }

  async #contents(directory: HeldDirectory, depth: number): Promise<void> {
    const names = await directory.names();
    for (let at = 0; at < names.length; at += AT_ONCE) {
      const batch = names.slice(at, at + AT_ONCE);
      const done = await Promise.all(batch.map((name) => unlinked(directory, name).catch(ifGone)));
      for (const [i, name] of batch.entries())
        if (done[i] === false) await this.#directory(directory, name, depth);
    }
  }

  async #directory(parent: HeldDirectory, name: Buffer, depth: number): Promise<void> {
    if (depth >= MOST_DEPTH) {
      const moved = Buffer.from(`.sanderling-${crypto.randomUUID()}`);
      await parent.calls.rename(parent.atBytes(name), this.#root.atBytes(moved));
      this.#moved.push(moved);
      return;
    }
    {
      await using child = await enter(parent, name);
      await this.#contents(child, depth + 1);
    }
    await parent.calls.rmdir(parent.atBytes(name));
  }
}

function enter(parent: HeldDirectory, name: Buffer): Promise<HeldDirectory> {
  return HeldDirectory.open(parent.atBytes(name), parent.calls);
}

/** Whether it is gone now; false for a directory. */
async function unlinked(parent: HeldDirectory, name: Buffer): Promise<boolean> {
  try {
    await parent.calls.unlink(parent.atBytes(name));
    return true;
  } catch (error) {
    if (systemCode(error) === "EISDIR") return false;
    throw error;
  }
}

/** Somebody else was faster. */
function ifGone(error: unknown): boolean {
  if (systemCode(error) === "ENOENT") return true;
  throw error;
}
