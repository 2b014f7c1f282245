import type { Stats } from "node:fs";
import { lstat, rename } from "node:fs/promises";
import { EngineError } from "../error.ts";
import { systemCode } from "./faults.ts";
import type { HeldDirectory } from "./held-directory.ts";

interface Check {
  readonly overwrite: boolean;
  /** The directory that is merged into, for messages. */
  readonly path: string;
}

/**
 * Looks whether everything in one tree can be moved to its place in another.
 * @throws EngineError `exists` for what is in the way, `unsupported` for a directory on another file system.
 */
export async function refuseConflicts(from: HeldDirectory, to: HeldDirectory, check: Check): Promise<void> {
  const device = (await lstat(to.at("."))).dev;
  await visit(from, to, async (isDirectory, name, there) => {
    const path = `${check.path}/${name}`;
    const details = { path };
    if (there === undefined) return;
    if (isDirectory && !there.isDirectory())
      throw new EngineError("exists", `Cannot unpack the directory ${path}: what is there is none`, {
        details,
      });
    if (!isDirectory && there.isDirectory())
      throw new EngineError("exists", `Cannot unpack ${path}: it is a directory`, { details });
    if (!isDirectory && !check.overwrite)
      throw new EngineError("exists", `File already exists: ${path}`, { details });
    if (there.isDirectory() && there.dev !== device)
      throw new EngineError("unsupported", `Cannot unpack into ${path}: it is on another file system`, {
        details,
      });
    return Promise.resolve();
  });
}

/** Moves everything to its place, whole directories at once where there is none yet. */
export async function mergeInto(from: HeldDirectory, to: HeldDirectory): Promise<void> {
  await visit(from, to, async (isDirectory, _, there, move) => {
    if (there === undefined || !isDirectory) await move();
  });
}

type Visit = (
  isDirectory: boolean,
  path: string,
  there: Stats | undefined,
  move: () => Promise<void>,
) => Promise<void>;

/** Goes down where both sides have a directory, and never through a link. */
async function visit(from: HeldDirectory, to: HeldDirectory, each: Visit, base = ""): Promise<void> {
  for (const entry of await from.entries()) {
    const { name } = entry;
    const there = await look(to, name);
    await each(entry.isDirectory(), base + name, there, () => rename(from.at(name), to.at(name)));
    if (!entry.isDirectory() || !there?.isDirectory()) continue;
    await using below = await from.directory(name);
    await using beside = await to.directory(name);
    await visit(below, beside, each, `${base}${name}/`);
  }
}

async function look(directory: HeldDirectory, name: string): Promise<Stats | undefined> {
  try {
    return await lstat(directory.at(name));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
