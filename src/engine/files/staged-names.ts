import { mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OwnDirectory } from "../own-directory.ts";
import { EngineError } from "../error.ts";
import type { FileCalls } from "./calls.ts";
import { systemCode } from "./faults.ts";
import { HeldDirectory } from "./held-directory.ts";
import { removeTree } from "./remove-tree.ts";

const PREFIX = "daemon-";
/** What is found under a name must look like one given here before it is removed. */
const NAME = /^\.sanderling-[0-9a-f-]{36}\.part$/;

/** Whether a name is one of those, which nobody but the daemon needs to know of. */
export function isStagedName(name: string): boolean {
  return NAME.test(name);
}

/** A name for something that is not whole yet. */
export interface StagedName {
  readonly name: string;
  /** There is nothing under it any more. */
  forget(): void;
}

/**
 * Gives out names for what is being made in clients' directories, and writes down each before it is used, so that
 * the next daemon finds what this one leaves there when it is killed. It looks nowhere else: a file of somebody
 * else's is never touched, and no directory is searched.
 */
export class StagedNames implements AsyncDisposable {
  readonly #directory: string;
  readonly #own: OwnDirectory;

  /** @param directory Where only the daemon may read. @throws EngineError `unavailable`. */
  constructor(directory: string) {
    this.#directory = directory;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      this.#own = OwnDirectory.make(directory, PREFIX, 0o700);
    } catch (cause) {
      throw new EngineError("unavailable", `Cannot use ${directory} for data: ${String(cause)}`, { cause });
    }
  }

  /** @param directory The real path of where it will be. */
  give(directory: string): StagedName {
    const name = `.sanderling-${crypto.randomUUID()}.part`;
    const record = join(this.#own.path, name);
    try {
      writeFileSync(record, directory, { flag: "wx", mode: 0o600 });
    } catch {
      // The daemon's own disk is full, which is no reason not to write to another: a kill would leave something.
    }
    return { name, forget: () => unlinkIfThere(record) };
  }

  /** Removes what daemons that are gone left behind, with the rights that it was made with. */
  async sweep(
    calls: FileCalls,
    onNotice: (notice: string, details: Record<string, unknown>) => void,
  ): Promise<void> {
    for (const left of await OwnDirectory.abandoned(this.#directory, PREFIX)) {
      for (const name of readdirSync(left.path)) {
        const place = readFileSync(join(left.path, name), "utf8");
        await removeLeft(place, name, calls).catch((cause: unknown) =>
          onNotice("cannot remove what a killed daemon left", { place, name, cause: String(cause) }),
        );
      }
      await left[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#own[Symbol.asyncDispose]();
  }
}

async function removeLeft(place: string, name: string, calls: FileCalls): Promise<void> {
  if (!NAME.test(name)) return;
  try {
    // Its real path, so a link in it has been put there since.
    await using directory = new HeldDirectory(await calls.enter(place), calls);
    await removeTree(directory, Buffer.from(name));
  } catch (error) {
    if (!["ENOENT", "ENOTDIR", "ELOOP"].includes(systemCode(error) ?? "")) throw error;
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
  }
}
