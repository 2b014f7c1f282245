import { lstat, readdir } from "node:fs/promises";
import { constants, type BigIntStats } from "node:fs";
import type { FileCalls } from "./calls.ts";
import { describeEntry, type Entry } from "./entry.ts";
import { fileFault, systemCode } from "./faults.ts";
import type { PathRules } from "./paths.ts";

export interface ListRequest {
  readonly path: string;
  /** 1: the directory's own entries. */
  readonly depth: number;
  /** Most entries to give. */
  readonly limit: number;
}

export interface Listing {
  readonly path: string;
  readonly entries: readonly Entry[];
  /** There were more than the limit. */
  readonly truncated: boolean;
}

/** System calls in flight at once; more only wait for each other. */
const AT_ONCE = 512;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/**
 * The entries of a directory by name, in recursive lists each directory before what is in it. Symbolic links
 * are told as such and never followed.
 * @throws EngineError `not_found`, `invalid` when it is no directory, `denied`.
 */
export async function listDirectory(paths: PathRules, request: ListRequest): Promise<Listing> {
  await using directory = await paths.openDirectory(request.path, "list");
  const walk = new Walk(paths.calls, request.limit);
  try {
    await walk.visit(`/proc/self/fd/${directory.handle.fd}`, directory.path, request.depth);
    return { path: directory.path, entries: walk.entries, truncated: walk.truncated };
  } catch (error) {
    throw fileFault(error, "list", directory.path);
  }
}

/** What is at a path, symbolic links followed, or undefined. @throws EngineError `denied`, `invalid`. */
export async function findEntry(paths: PathRules, path: string): Promise<Entry | undefined> {
  const resolved = paths.resolve(path);
  try {
    const stats = await paths.calls.stat(resolved);
    return describeEntry(resolved.slice(resolved.lastIndexOf("/") + 1), resolved, stats);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(systemCode(error) ?? "")) return undefined;
    throw fileFault(error, "look at", resolved);
  }
}

class Walk {
  readonly entries: Entry[] = [];
  truncated = false;

  constructor(
    private readonly calls: FileCalls,
    private readonly limit: number,
  ) {}

  /** @param place Where the system finds it; `path` is its name for clients. */
  async visit(place: string, path: string, depth: number): Promise<void> {
    // Asked once with the user's rights, so that all that follows may be asked at once with the daemon's.
    await this.calls.lstat(`${place}/.`);
    // Bytes, because names need not be valid UTF-8 and could not be looked up as text then.
    const names = (await readdir(`${place}/`, { encoding: "buffer" })).sort((a, b) => Buffer.compare(a, b));
    for (let at = 0; at < names.length && !this.truncated; at += AT_ONCE) {
      const batch = names.slice(at, at + AT_ONCE);
      const found = await Promise.all(batch.map((name) => lookAt(place, name)));
      for (const [i, stats] of found.entries()) {
        const name = batch[i];
        if (stats === undefined || name === undefined) continue;
        if (!(await this.#add(name, stats, { place, path, depth }))) return;
      }
    }
  }

  /** @returns false when the list is full. */
  async #add(
    name: Buffer,
    stats: BigIntStats,
    at: { place: string; path: string; depth: number },
  ): Promise<boolean> {
    this.truncated = this.entries.length >= this.limit;
    if (this.truncated) return false;
    // Invalid bytes become U+FFFD.
    const text = name.toString("utf8");
    const path = at.path === "/" ? `/${text}` : `${at.path}/${text}`;
    this.entries.push(describeEntry(text, path, stats));
    if (stats.isDirectory() && at.depth > 1) await this.#enter(within(at.place, name), path, at.depth - 1);
    return !this.truncated;
  }

  async #enter(place: Buffer, path: string, depth: number): Promise<void> {
    const handle = await this.calls
      .open(place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
      .catch((error: unknown) => {
        if (isClosed(error)) return undefined;
        throw error;
      });
    if (handle === undefined) return;
    try {
      await this.visit(`/proc/self/fd/${handle.fd}`, path, depth);
    } catch (error) {
      if (!isClosed(error)) throw error;
    } finally {
      await handle.close();
    }
  }
}

/** Closed to us, or gone since: it stays in the list without what is in it. */
function isClosed(error: unknown): boolean {
  return ["EACCES", "ENOENT", "ENOTDIR", "ELOOP"].includes(systemCode(error) ?? "");
}

/** undefined for what has gone since the names were read. */
async function lookAt(place: string, name: Buffer): Promise<BigIntStats | undefined> {
  try {
    return await lstat(within(place, name), { bigint: true });
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function within(place: string, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${place}/`), name]);
}
