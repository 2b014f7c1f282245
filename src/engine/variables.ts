import type { Environment } from "./environment.ts";
import {
  applyChanges,
  checkChanges,
  isReserved,
  mergeChanges,
  NO_CHANGES,
  replaceChanges,
  type VariableChanges,
} from "./variable-changes.ts";
import { readChanges, writeChanges } from "./variables-file.ts";

export interface VariablesOptions {
  /** What runs start with when nobody has changed anything. */
  readonly base: Environment;
  /** Where changes are kept. */
  readonly path: string;
  readonly onNotice: (notice: string, details?: Readonly<Record<string, unknown>>) => void;
}

/**
 * The sandbox's variables: what its user changes in the environment of every later run. Kept as the changes,
 * not as the result, so that a daemon started in another environment still gives runs that one.
 */
export class SandboxVariables {
  readonly #options: VariablesOptions;
  #changes: VariableChanges;
  #environment: Environment;
  /** Changes are made one after the other, each upon the last. */
  #queue: Promise<unknown> = Promise.resolve();

  /** @throws EngineError `unavailable` when the file is there and cannot be read. */
  constructor(options: VariablesOptions) {
    this.#options = options;
    this.#changes = readChanges(options);
    this.#environment = applyChanges(options.base, this.#changes);
  }

  /** What runs get. */
  get environment(): Environment {
    return this.#environment;
  }

  /** What runs get, as told to callers: without the daemon's own. */
  get visible(): Environment {
    return Object.fromEntries(Object.entries(this.#environment).filter(([name]) => !isReserved(name)));
  }

  /** Names that were set here, rather than by the machine. */
  get custom(): string[] {
    return [...this.#changes.set.keys()];
  }

  /**
   * Makes `wanted` the variables; of the machine's own see `replaceChanges`.
   * @throws EngineError `invalid`, `too_large`, or `unavailable` when it cannot be kept; nothing has changed then.
   */
  replace(wanted: Environment): Promise<void> {
    return this.#change((now) => replaceChanges(this.#options.base, now, wanted));
  }

  /** Sets some and, where the value is null, takes away. @throws EngineError as `replace`. */
  merge(wanted: Readonly<Record<string, string | null>>): Promise<void> {
    return this.#change((now) => mergeChanges(this.#options.base, now, wanted));
  }

  /** Back to what the machine gives. @throws EngineError `unavailable`. */
  clear(): Promise<void> {
    return this.#change(() => NO_CHANGES);
  }

  #change(make: (now: VariableChanges) => VariableChanges): Promise<void> {
    const changed = this.#queue.then(async () => {
      const next = make(this.#changes);
      checkChanges(next);
      await writeChanges(this.#options.path, next);
      this.#changes = next;
      this.#environment = applyChanges(this.#options.base, next);
    });
    // A refused change must not hold up the next one; its caller is told.
    this.#queue = changed.catch(() => undefined);
    return changed;
  }
}
