import type { BigIntStats } from "node:fs";
import { refuseUnlessFile } from "./kinds.ts";
import type { OpenEntry } from "./paths.ts";

export type EntryType = "file" | "directory" | "symlink" | "fifo" | "socket" | "device";

/** What there is to say about one file, directory or other thing. */
export interface Entry {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly type: EntryType;
  readonly size: number;
  readonly modified: Date;
  /** Nine characters, for example rwxr-xr-x. */
  readonly permissions: string;
}

/** What a client may know of a file's present content. */
export interface FileVersion {
  readonly path: string;
  readonly size: number;
  readonly modified: Date;
  readonly etag: string;
}

export function describeEntry(name: string, path: string, stats: BigIntStats): Entry {
  return {
    name,
    path,
    type: typeOf(stats),
    size: Number(stats.size),
    modified: modifiedAt(stats),
    permissions: permissionsOf(Number(stats.mode)),
  };
}

export function versionOf({ path, stats }: Pick<OpenEntry, "path" | "stats">): FileVersion {
  refuseUnlessFile(stats, "read", path);
  return { path, size: Number(stats.size), modified: modifiedAt(stats), etag: etagOf(stats) };
}

/**
 * A name for a file's present content, as HTTP writes it. The time of the last change to the inode is in it,
 * and not that of its content, because a program can set the latter back.
 */
export function etagOf({ dev, ino, size, ctimeNs }: BigIntStats): string {
  return `"${[dev, ino, size, ctimeNs].map((part) => part.toString(36)).join("-")}"`;
}

function modifiedAt({ mtimeMs }: BigIntStats): Date {
  return new Date(Number(mtimeMs));
}

export function typeOf(stats: BigIntStats): EntryType {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isFIFO()) return "fifo";
  return stats.isSocket() ? "socket" : "device";
}

/** Set-id and sticky bits are in the place of the x, as `ls` shows them. */
function permissionsOf(mode: number): string {
  const triple = (bits: number, special: boolean, letter: string) => {
    const executes = (bits & 1) !== 0;
    const last = special ? (executes ? letter : letter.toUpperCase()) : executes ? "x" : "-";
    return `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}${last}`;
  };
  return (
    triple(mode >> 6, (mode & 0o4000) !== 0, "s") +
    triple(mode >> 3, (mode & 0o2000) !== 0, "s") +
    triple(mode, (mode & 0o1000) !== 0, "t")
  );
}
