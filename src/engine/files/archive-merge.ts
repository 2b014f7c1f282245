import type { BigIntStats } from "node:fs";
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
  const device = (await to.calls.lstat(to.at("."))).dev;
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

/** Moves everything to its place, whole directories at once where there is none yet, for good. */
export async function mergeInto(from: HeldDirectory, to: HeldDirectory): Promise<void> {
  await visit(from, to, async (isDirectory, _, there, move) => {
    if (there === undefined || !isDirectory) await move();
  });
  await to.sync();
}

type Visit = (
  isDirectory: boolean,
  path: string,
  there: BigIntStats | undefined,
  move: () => Promise<void>,
) => Promise<void>;

/** Goes down where both sides have a directory, and never through a link. */
async function visit(from: HeldDirectory, to: HeldDirectory, each: Visit, base = ""): Promise<void> {
  for (const entry of await from.entries()) {
    const { name } = entry;
    const there = await look(to, name);
    await each(entry.isDirectory(), base + name, there, () => to.calls.rename(from.at(name), to.at(name)));
    if (!entry.isDirectory() || !there?.isDirectory()) continue;
    await using below = await from.directory(name);
    await using beside = await to.directory(name);
    await visit(below, beside, each, `${base}${name}/`);
    await beside.sync();
  }
}

async function look(directory: HeldDirectory, name: string): Promise<BigIntStats | undefined> {
  try {
    return await directory.calls.lstat(directory.at(name));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
