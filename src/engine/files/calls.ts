import * as sync from "node:fs";
import type { BigIntStats } from "node:fs";
import * as promises from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { asUser } from "../as-user.ts";
import { linkOpenFile } from "../process/libc.ts";
import type { RunUser } from "../user.ts";
import { systemCode } from "./faults.ts";

type Path = string | Buffer;

/** The system's calls that use a path, each with the rights of whoever the files of this sandbox belong to. */
export interface FileCalls {
  open(path: Path, flags: number, mode?: number): Promise<FileHandle>;
  /** Opens a directory to use what is in it; the right to list it is not needed. */
  enter(path: string): Promise<FileHandle>;
  realpath(path: string): Promise<string>;
  stat(path: Path): Promise<BigIntStats>;
  lstat(path: Path): Promise<BigIntStats>;
  mkdir(path: string, mode?: number): Promise<unknown>;
  rename(from: Path, to: Path): Promise<void>;
  link(from: string, to: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  unlink(path: Path): Promise<void>;
  rmdir(path: Path): Promise<void>;
  lutimes(path: string, accessed: Date, modified: Date): Promise<void>;
  chmod(path: Path, mode: number): Promise<void>;
  chown(path: Path, uid: number, gid: number): Promise<void>;
  /** @throws the system's error when the content of a regular file may not be changed. */
  requireWritable(path: string): Promise<void>;
  /** Gives a new file the owner and group of another, as far as may be: only root gives files away. */
  giveTo(file: FileHandle, owner: Pick<BigIntStats, "uid" | "gid">): Promise<void>;
  /** Gives an open file without a name one; false when that cannot be done there. */
  linkOpen(fd: number, path: string): boolean;
}

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY, W_OK } =
  sync.constants;
/** Linux, the same number on x64 and arm64; Node has no name for it. */
const O_PATH = 0o10000000;
/** Of what is open already: nothing is made, emptied or looked for again. */
const NOT_AGAIN = O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW;
const TMPFILE_BIT = 0o20000000;
/** Calls made as a user hold up the event loop; after so many others have their turn. */
const CALLS_A_TURN = 64;
const BIG = { bigint: true } as const;

/** With the daemon's own rights, or with those of the user that code runs as. */
export function fileCalls(user: RunUser | undefined): FileCalls {
  const isOwn = user?.uid === process.getuid?.() && user?.gid === process.getgid?.();
  return user === undefined || isOwn ? OWN_CALLS : callsAs(user);
}

const OWN_CALLS: FileCalls = {
  ...promises,
  stat: (path) => promises.stat(path, BIG),
  lstat: (path) => promises.lstat(path, BIG),
  realpath: (path) => promises.realpath(path),
  enter: (path) => promises.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
  requireWritable: (path) => promises.access(path, W_OK),
  giveTo: async (file, { uid, gid }) => {
    // As with any editor, another's file is the writer's own from now on, then.
    if (process.getuid?.() === 0) await file.chown(Number(uid), Number(gid));
    else if (process.getgroups?.().includes(Number(gid)))
      await file.chown(process.getuid?.() ?? -1, Number(gid));
  },
  linkOpen: linkOpenFile,
};

/** Bun's own threads stay root's, so these calls are made on this one; only what they open goes to the others. */
function callsAs(user: RunUser): FileCalls {
  let calls = 0;
  const act = async <T>(call: () => T): Promise<T> => {
    if (++calls % CALLS_A_TURN === 0) await new Promise((resume) => setImmediate(resume));
    return asUser(user, call);
  };
  const open = async (
    path: Path,
    flags: number,
    mode?: number,
    again = flags & ~NOT_AGAIN,
  ): Promise<FileHandle> => {
    const fd = await act(() => sync.openSync(path, flags, mode));
    try {
      return await promises.open(`/proc/self/fd/${fd}`, again);
    } finally {
      sync.closeSync(fd);
    }
  };
  return {
    open: (path, flags, mode) => open(path, flags, mode, withoutTmpfile(flags & ~NOT_AGAIN)),
    enter: (path) => open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW, undefined, O_RDONLY | O_DIRECTORY),
    realpath: (path) => act(() => sync.realpathSync(path)),
    stat: (path) => act(() => sync.statSync(path, BIG)),
    lstat: (path) => act(() => sync.lstatSync(path, BIG)),
    mkdir: (path, mode) => act(() => sync.mkdirSync(path, { mode })),
    rename: (from, to) => act(() => sync.renameSync(from, to)),
    link: (from, to) => act(() => sync.linkSync(from, to)),
    symlink: (target, path) => act(() => sync.symlinkSync(target, path)),
    unlink: (path) => act(() => sync.unlinkSync(path)),
    rmdir: (path) => act(() => sync.rmdirSync(path)),
    chmod: (path, mode) => act(() => sync.chmodSync(path, mode)),
    chown: (path, uid, gid) => act(() => sync.chownSync(path, uid, gid)),
    lutimes: (path, accessed, modified) => act(() => sync.lutimesSync(path, accessed, modified)),
    requireWritable: (path) => act(() => openToWrite(path)),
    giveTo: async (file, { gid }) => {
      if (user.groups.includes(Number(gid))) await file.chown(user.uid, Number(gid));
    },
    linkOpen: (fd, path) => asUser(user, () => linkOpenFile(fd, path)),
  };
}

/** The flag for files without a name has that of directories in it. */
function withoutTmpfile(flags: number): number {
  return (flags & TMPFILE_BIT) === 0 ? flags : flags & ~(TMPFILE_BIT | O_DIRECTORY);
}

/** access(2) goes by the real user, who is root. A program that runs may not be opened, but may be replaced. */
function openToWrite(path: string): void {
  try {
    sync.closeSync(sync.openSync(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK));
  } catch (error) {
    if (systemCode(error) !== "ETXTBSY") throw error;
  }
}
