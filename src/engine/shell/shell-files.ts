import { chownSync, mkdirSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileCalls } from "../files/calls.ts";
import { HeldDirectory } from "../files/held-directory.ts";
import { removeTree } from "../files/remove-tree.ts";
import type { RunUser } from "../user.ts";

/** The files of one session: the command under way, and what its shells keep for their successors. */
export class ShellFiles implements AsyncDisposable {
  readonly #path: string;
  readonly #user: RunUser | undefined;

  /** @param path Made here, below a directory that only the daemon may write. */
  constructor(path: string, user: RunUser | undefined) {
    this.#path = path;
    this.#user = user;
    mkdirSync(path, { mode: 0o711 });
  }

  /** A directory for what one shell keeps. */
  makeState(generation: number): string {
    const path = join(this.#path, `state-${generation}`);
    mkdirSync(path, { mode: 0o700 });
    if (this.#user) chownSync(path, this.#user.uid, this.#user.gid);
    return path;
  }

  async writeCommand(sequence: number, text: string): Promise<string> {
    const path = join(this.#path, `command-${sequence}`);
    await writeFile(path, text, { mode: 0o600, flag: "wx" });
    if (this.#user) chownSync(path, this.#user.uid, this.#user.gid);
    return path;
  }

  async removeCommand(sequence: number): Promise<void> {
    await rm(join(this.#path, `command-${sequence}`), { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using parent = await HeldDirectory.open(dirname(this.#path), fileCalls(undefined));
    await removeTree(parent, Buffer.from(basename(this.#path)));
  }
}
