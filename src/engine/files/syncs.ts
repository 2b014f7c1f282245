import type { FileHandle } from "node:fs/promises";

/** File systems write many together in the time of one. */
const AT_ONCE = 32;

/** Files on their way to the disk, some at once. Each is closed when it is there. */
export class Syncs {
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly cause: unknown } | undefined;

  /** @throws what an earlier one failed with. */
  async begin(file: FileHandle): Promise<void> {
    while (this.#underWay.size >= AT_ONCE) await Promise.race(this.#underWay);
    if (this.#failure) throw this.#failure.cause;
    const done = sync(file)
      .catch((cause: unknown) => void (this.#failure ??= { cause }))
      .finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  /** @throws what the first that failed was refused with. */
  async all(): Promise<void> {
    await Promise.all(this.#underWay);
    if (this.#failure) throw this.#failure.cause;
  }
}

async function sync(file: FileHandle): Promise<void> {
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
