/** What happened to one path. */
export type Change =
  | { readonly kind: "created" | "deleted"; readonly path: string; readonly isDirectory: boolean }
  /** `isComplete`: whoever wrote it has closed it. */
  | {
      readonly kind: "modified";
      readonly path: string;
      readonly isDirectory: boolean;
      readonly isComplete: boolean;
    }
  /** It is now called otherwise; what it is called is told as created, or as modified when it replaced something. */
  | { readonly kind: "renamed"; readonly path: string; readonly to: string; readonly isDirectory: boolean };

/**
 * Changes that wait to be told. Of each path every kind of change waits once, at the place where it came last: so
 * a burst of writes becomes one message and the last state of a path is always told last.
 */
export class WaitingChanges {
  readonly #most: number;
  #changes = new Map<string, Change[]>();
  #arrival: PromiseWithResolvers<void> = Promise.withResolvers();

  /** @param most Paths that may wait. */
  constructor(most: number) {
    this.#most = most;
  }

  get isEmpty(): boolean {
    return this.#changes.size === 0;
  }

  /** Settles at the next change, or `wake`. */
  get arrival(): Promise<void> {
    return this.#arrival.promise;
  }

  /** @returns false when there are too many; then none of them waits any more. */
  add(change: Change): boolean {
    const waiting = this.#changes.get(change.path);
    if (waiting) {
      const before = waiting.findIndex((other) => isAlike(other, change));
      if (before >= 0) waiting.splice(before, 1);
      waiting.push(change);
      return true;
    }
    if (this.#changes.size >= this.#most) {
      this.#changes.clear();
      return false;
    }
    this.#changes.set(change.path, [change]);
    this.wake();
    return true;
  }

  /** All that wait, in order. */
  take(): Change[] {
    const taken = [...this.#changes.values()].flat();
    this.#changes = new Map();
    return taken;
  }

  wake(): void {
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
  }
}

function isAlike(one: Change, other: Change): boolean {
  if (one.kind !== other.kind) return false;
  return one.kind !== "modified" || other.kind !== "modified" || one.isComplete === other.isComplete;
}
