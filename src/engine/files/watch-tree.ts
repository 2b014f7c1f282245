/** A directory that is watched, with the names of what is in it. */
export interface WatchedDirectory {
  parent: WatchedDirectory | undefined;
  name: string;
  /** The kernel's number for it. */
  watch: number;
  readonly directories: Map<string, WatchedDirectory>;
  /** Everything in it that is no watched directory. */
  readonly others: Set<string>;
}

/** The watched directories of one tree, found by the kernel's numbers; paths follow renames. */
export class WatchTree {
  /** How clients are told the root: a path without a slash at its end, but for "/" itself. */
  readonly rootPath: string;
  readonly #byWatch = new Map<number, WatchedDirectory>();
  #root: WatchedDirectory | undefined;

  constructor(rootPath: string) {
    this.rootPath = rootPath;
  }

  get root(): WatchedDirectory | undefined {
    return this.#root;
  }

  get size(): number {
    return this.#byWatch.size;
  }

  find(watch: number): WatchedDirectory | undefined {
    return this.#byWatch.get(watch);
  }

  /** Adds a directory that is now watched; one that is known under this number is given back. */
  add(parent: WatchedDirectory | undefined, name: string, watch: number): WatchedDirectory {
    const known = this.#byWatch.get(watch);
    if (known && known.parent === parent && known.name === name) return known;
    if (known) {
      this.detach(known);
      // It has been moved unseen: where it was, a look finds that it is gone.
      known.parent?.others.add(known.name);
    }
    const directory = { parent, name, watch, directories: new Map(), others: new Set<string>() };
    this.#byWatch.set(watch, directory);
    if (parent) parent.directories.set(name, directory);
    else this.#root = directory;
    return directory;
  }

  /** Puts a directory elsewhere, with all in it. */
  move(directory: WatchedDirectory, parent: WatchedDirectory, name: string): void {
    directory.parent?.directories.delete(directory.name);
    directory.parent = parent;
    directory.name = name;
    parent.directories.set(name, directory);
  }

  /** Forgets a directory and all in it. @returns The kernel's numbers of them. */
  remove(directory: WatchedDirectory): number[] {
    this.detach(directory);
    const watches = [
      directory.watch,
      ...[...directory.directories.values()].flatMap((one) => this.remove(one)),
    ];
    for (const watch of watches) this.#byWatch.delete(watch);
    return watches;
  }

  /** Takes a directory out of its place; its number is still known. */
  detach(directory: WatchedDirectory): void {
    if (directory.parent?.directories.get(directory.name) === directory)
      directory.parent.directories.delete(directory.name);
  }

  /** The path of a directory, or of an entry of it, as clients are told it. */
  pathOf(directory: WatchedDirectory, name?: string): string {
    return join(this.rootPath, this.relative(directory, name));
  }

  /** The same from the root on; empty for the root itself. */
  relative(directory: WatchedDirectory, name?: string): string {
    const names = name === undefined ? [] : [name];
    for (let at = directory; at.parent; at = at.parent) names.unshift(at.name);
    return names.join("/");
  }
}

export function join(directory: string, rest: string): string {
  if (rest === "") return directory;
  return directory === "/" ? `/${rest}` : `${directory}/${rest}`;
}
