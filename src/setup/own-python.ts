import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { basename, join } from "node:path";
import { ownPython } from "../config/directories.ts";
import { removeTree } from "./ownership.ts";

/**
 * Where the product's own Python is kept. `python` is a link to one of the environments in `pythons`, put in
 * place when that is whole: the daemon sees the old one or the new one, never half of one.
 */
export class OwnPython {
  /** The path that the daemon knows. */
  readonly path: string;
  readonly #store: string;

  constructor(dataDirectory: string) {
    this.path = ownPython(dataDirectory);
    this.#store = join(dataDirectory, "pythons");
  }

  /** Who owns the environment in use; undefined when there is none. */
  get owner(): number | undefined {
    return statSync(this.path, { throwIfNoEntry: false })?.uid;
  }

  /** A new empty directory for an environment; `sweep` removes it unless it comes into use. */
  prepare(): string {
    mkdirSync(this.#store, { recursive: true, mode: 0o755 });
    const directory = mkdtempSync(join(this.#store, `${process.pid}-`));
    chmodSync(directory, 0o755);
    return directory;
  }

  /** Makes an environment the one in use, in one step. */
  async use(environment: string): Promise<void> {
    const link = `${environment}.link`;
    symlinkSync(join(basename(this.#store), basename(environment)), link);
    // A directory of that name cannot be replaced by a link; it is none of ours.
    if (lstatSync(this.path, { throwIfNoEntry: false })?.isDirectory()) await this.discard();
    renameSync(link, this.path);
  }

  /** Takes the environment in use away, so that the daemon falls back to the machine's interpreter. */
  async discard(): Promise<void> {
    const isLink = lstatSync(this.path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
    if (isLink) rmSync(this.path);
    else await removeTree(this.path);
  }

  /** Removes what is not in use and what no living set-up is making. */
  async sweep(): Promise<void> {
    const used = existsSync(this.path) ? basename(realpathSync(this.path)) : undefined;
    for (const name of existsSync(this.#store) ? readdirSync(this.#store) : []) {
      const maker = Number.parseInt(name, 10);
      const isBeingMade = maker !== process.pid && existsSync(`/proc/${maker}`);
      if (name !== used && !isBeingMade) await removeTree(join(this.#store, name));
    }
  }
}
