import { createHash } from "node:crypto";
import { accessSync, closeSync, constants, openSync, readSync, realpathSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Interpreter } from "./interpreters.ts";

/**
 * The stamp is the last file written into an environment: without it the environment is half made. It tells
 * what the environment was made of, so that nothing needs to be started to see whether that still holds.
 */
const STAMP = "sanderling-stamp";
const LARGEST_STAMP = 4096;

export interface Stamp {
  readonly key: string;
  readonly version: string;
}

/** Writes the stamp. @throws when something of its name is there: a link could lead root elsewhere. */
export async function writeStamp(environment: string, requirements: string, made: Interpreter) {
  const version = made.version.join(".");
  const stamp: Stamp = { key: stampKey(requirements, made.path, version), version };
  await writeFile(join(environment, STAMP), JSON.stringify(stamp), { flag: "wx", mode: 0o644 });
}

/** The stamp of an environment that is whole; undefined for any other. */
export function readStamp(environment: string): Stamp | undefined {
  try {
    const { key, version } = JSON.parse(readBriefly(join(environment, STAMP))) as Partial<Stamp>;
    return typeof key === "string" && typeof version === "string" ? { key, version } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the environment was made of these requirements and its interpreter is still the same. */
export function isCurrent(environment: string, stamp: Stamp, requirements: string): boolean {
  try {
    const python = join(environment, "bin/python");
    accessSync(python, constants.X_OK);
    return stamp.key === stampKey(requirements, realpathSync(python), stamp.version);
  } catch {
    return false;
  }
}

/** The file's size and time stand for a version that could otherwise be learnt only by starting it. */
function stampKey(requirements: string, interpreter: string, version: string): string {
  const { size, mtimeMs } = statSync(interpreter);
  const facts = [requirements, interpreter, version, size, mtimeMs];
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex");
}

/** The environment may belong to the user of the runs: no link is followed and no FIFO waited for. */
function readBriefly(path: string): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.alloc(LARGEST_STAMP);
    return buffer.toString("utf8", 0, readSync(file, buffer, 0, LARGEST_STAMP, 0));
  } finally {
    closeSync(file);
  }
}
