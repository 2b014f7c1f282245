import { dlopen, ptr, read, type Pointer } from "bun:ffi";
import { closeSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { EngineError } from "../error.ts";

/**
 * The few system calls that Bun does not offer. Linux on x64 and arm64, glibc and musl; the numbers below are
 * the same on both architectures (asm-generic) unless it says otherwise.
 */
const CANDIDATES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"] as const;
const SYS_PIDFD_SEND_SIGNAL = 424n;
const SYS_PIDFD_OPEN = 434n;
/** These differ (x64: its own table; arm64: asm-generic). */
const SYS_SET_IDS =
  process.arch === "x64"
    ? { groups: 116n, user: 117n, group: 119n }
    : { groups: 159n, user: 147n, group: 149n };
const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const FIONREAD = 0x541bn;
const TCGETS = 0x5401n;
const TCSETS = 0x5402n;
const TIOCSWINSZ = 0x5414n;
const TIOCGPTN = 0x8004_5430n;
const TIOCSPTLCK = 0x4004_5431n;
const TIOCSIG = 0x4004_5436n;
/** The erase key takes a whole character, not the last byte of one. */
const IUTF8 = 0x4000;
/** More than the kernel's `struct termios` has on any architecture. */
const TERMIOS_BYTES = 64;
const POLLIN = 1;
const PR_SET_DUMPABLE = 4;
const PR_SET_CHILD_SUBREAPER = 36;
/** As `ls -l /proc/PID/fd` shows it. */
const STDIN_NAME = new TextEncoder().encode("stdin\0");
const WNOHANG = 1;
const RUSAGE_LONGS = 18;
const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const LOCK_EX_NB = 2 | 4;
const MFD_CLOEXEC = 1;

/** "Relative to the working directory", which an absolute path is not. */
const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

const SYMBOLS = {
  pipe2: { args: ["ptr", "i32"], returns: "i32" },
  memfd_create: { args: ["ptr", "u32"], returns: "i32" },
  linkat: { args: ["i32", "ptr", "i32", "ptr", "i32"], returns: "i32" },
  fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  getpagesize: { args: [], returns: "i32" },
  socketpair: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  sendmsg: { args: ["i32", "ptr", "i32"], returns: "i64" },
  wait4: { args: ["i32", "ptr", "i32", "ptr"], returns: "i32" },
  inotify_init1: { args: ["i32"], returns: "i32" },
  inotify_add_watch: { args: ["i32", "ptr", "u32"], returns: "i32" },
  inotify_rm_watch: { args: ["i32", "i32"], returns: "i32" },
  mount: { args: ["ptr", "ptr", "ptr", "u64", "ptr"], returns: "i32" },
  umount2: { args: ["ptr", "i32"], returns: "i32" },
  __errno_location: { args: [], returns: "ptr" },
  syscall: { args: ["i64", "i64", "i64", "i64", "i64"], returns: "i64" },
} as const;

function load() {
  for (const name of CANDIDATES) {
    try {
      return dlopen(name, SYMBOLS).symbols;
    } catch {
      // Not this C library; the next candidate may be the one.
    }
  }
  throw new EngineError(
    "unsupported",
    `Cannot load a C library (tried ${CANDIDATES.join(", ")}): Linux is needed`,
  );
}

let loaded: ReturnType<typeof load> | undefined;
const libc = () => (loaded ??= load());

export interface Pipe {
  readonly readFd: number;
  readonly writeFd: number;
}

/** A real pipe whose reading end does not block: it is the daemon's. The program's end does, as programs expect. */
export function createOutputPipe(): Pipe {
  const pipe = createPipe();
  libc().fcntl(pipe.readFd, F_SETFL, O_NONBLOCK);
  return pipe;
}

/** A real pipe whose writing end does not block: it is the daemon's. The program's end does, as programs expect. */
export function createInputPipe(): Pipe {
  const pipe = createPipe();
  libc().fcntl(pipe.writeFd, F_SETFL, O_NONBLOCK);
  return pipe;
}

/**
 * A real pipe. Bun's own "pipe" is a socket pair, and a program cannot open `/dev/stdout` on a socket, which
 * `echo warning > /dev/stderr` in a shell script does.
 */
export function createPipe(): Pipe {
  const fds = new Int32Array(2);
  if (libc().pipe2(ptr(fds), O_CLOEXEC) !== 0) {
    throw new EngineError("unavailable", "Cannot create a pipe: too many open files");
  }
  const [readFd = -1, writeFd = -1] = fds;
  return { readFd, writeFd };
}

/** Two ends of a socket that keeps messages apart and can carry descriptors (unix(7)). */
export function createSocketPair(): readonly [number, number] {
  const fds = new Int32Array(2);
  if (libc().socketpair(AF_UNIX, SOCK_SEQPACKET | O_CLOEXEC, 0, ptr(fds)) !== 0) {
    throw new EngineError("unavailable", "Cannot create a socket: too many open files");
  }
  const [one = -1, other = -1] = fds;
  return [one, other];
}

/**
 * Sends one message with copies of descriptors, which stay the caller's; false when the other side is gone or
 * the message is too large for a socket. Needs at least one byte of message.
 */
export function sendWithDescriptors(socket: number, message: Uint8Array, fds: readonly number[]): boolean {
  // struct iovec, struct cmsghdr and struct msghdr of 64-bit Linux (recvmsg(2), cmsg(3)).
  const vector = new BigUint64Array([BigInt(ptr(message)), BigInt(message.byteLength)]);
  const control = new Uint8Array(16 + Math.ceil((4 * fds.length) / 8) * 8);
  const view = new DataView(control.buffer);
  view.setBigUint64(0, BigInt(16 + 4 * fds.length), true);
  view.setInt32(8, SOL_SOCKET, true);
  view.setInt32(12, SCM_RIGHTS, true);
  fds.forEach((fd, index) => view.setInt32(16 + 4 * index, fd, true));
  const carries = fds.length > 0;
  const header = new BigUint64Array([
    0n,
    0n,
    BigInt(ptr(vector)),
    1n,
    carries ? BigInt(ptr(control)) : 0n,
    carries ? BigInt(control.byteLength) : 0n,
    0n,
  ]);
  return libc().sendmsg(socket, ptr(header), MSG_NOSIGNAL) === BigInt(message.byteLength);
}

/**
 * A file without a name that holds `bytes`, to be read from its start. Bun makes such files for stdin too, but
 * closes them only when it collects its garbage, and does not know how much memory they take.
 */
export function createMemoryFile(bytes: Uint8Array): number {
  const fd = libc().memfd_create(ptr(STDIN_NAME), MFD_CLOEXEC);
  if (fd < 0) throw new EngineError("unavailable", "Cannot keep stdin in memory: too many open files");
  try {
    // Written by position, so that the descriptor itself stays at the start.
    for (let at = 0; at < bytes.byteLength;) at += writeSync(fd, bytes, at, bytes.byteLength - at, at);
    return fd;
  } catch (cause) {
    closeSync(fd);
    throw new EngineError("unavailable", "Cannot keep stdin in memory", { cause });
  }
}

/** Bytes of a page of memory: 4096, but 16 or 64 KiB on some arm64 machines. */
export function pageBytes(): number {
  return libc().getpagesize();
}

/**
 * Mounts an overlay (overlayfs) at a directory. Not with mount(8), which could not be started any more while the
 * daemon shuts down.
 * @returns The kernel's reason for refusing, such as EPERM; undefined when it is mounted.
 */
export function mountOverlayAt(directory: string, options: string): string | undefined {
  const [type, target, data] = ["overlay", directory, options].map((text) =>
    new TextEncoder().encode(`${text}\0`),
  );
  if (type === undefined || target === undefined || data === undefined) return "EINVAL";
  if (libc().mount(ptr(type), ptr(target), ptr(type), 0n, ptr(data)) === 0) return undefined;
  const location = libc().__errno_location();
  const number = location === null ? 0 : read.i32(location, 0);
  return Object.entries(constants.errno).find(([, known]) => known === number)?.[0] ?? `error ${number}`;
}

/** Takes a mount away from its path at once, whoever still works in it. */
export function unmountAt(directory: string): boolean {
  const target = new TextEncoder().encode(`${directory}\0`);
  return libc().umount2(ptr(target), MNT_DETACH | UMOUNT_NOFOLLOW) === 0;
}

/** Gives an open file without a name a new one; false when that cannot be done there. */
export function linkOpenFile(fd: number, path: string): boolean {
  const [from, to] = [`/proc/self/fd/${fd}`, path].map((text) => new TextEncoder().encode(`${text}\0`));
  if (from === undefined || to === undefined) return false;
  return libc().linkat(AT_FDCWD, ptr(from), AT_FDCWD, ptr(to), AT_SYMLINK_FOLLOW) === 0;
}

/** Locks an open file until it is closed or the daemon ends; false when another has it, or nobody can. */
export function lockFile(fd: number): boolean {
  return libc().flock(fd, LOCK_EX_NB) === 0;
}

const available = new Int32Array(1);

/** How many bytes wait in a pipe to be read. */
export function bytesWaiting(fd: number): number {
  return libc().ioctl(fd, FIONREAD, ptr(available)) === 0 ? (available[0] ?? 0) : 0;
}

/** Whether a read would give bytes at once. Of a terminal too, whose count of waiting bytes lags behind. */
export function isReadable(fd: number): boolean {
  // struct pollfd: the descriptor, what is asked, what is so.
  const entry = new Int32Array([fd, POLLIN]);
  return libc().poll(ptr(entry), 1n, 0) === 1 && ((entry[1] ?? 0) & (POLLIN << 16)) !== 0;
}

/** A second descriptor of the same open file. */
export function duplicate(fd: number): number {
  const copy = libc().fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw new EngineError("unavailable", "Cannot duplicate a descriptor: too many open files");
  return copy;
}

/** Lets the other side of a new pseudo-terminal be opened. @returns Its number in `/dev/pts`. */
export function unlockTerminal(fd: number): number {
  const number = new Int32Array(1);
  const isDone =
    libc().ioctl(fd, TIOCSPTLCK, ptr(number)) === 0 && libc().ioctl(fd, TIOCGPTN, ptr(number)) === 0;
  if (!isDone) throw new EngineError("unavailable", "Cannot open a pseudo-terminal: the kernel refused");
  return number[0] ?? -1;
}

export interface TerminalSize {
  /** Characters in a row, and rows. */
  readonly cols: number;
  readonly rows: number;
}

/** The kernel tells the programs in the foreground by SIGWINCH. */
export function setTerminalSize(fd: number, { cols, rows }: TerminalSize): void {
  libc().ioctl(fd, TIOCSWINSZ, ptr(new Uint16Array([rows, cols, 0, 0])));
}

/** Sends SIGINT, SIGQUIT or SIGTSTP to the foreground of the terminal; the kernel takes no others. */
export function signalTerminal(fd: number, signal: "SIGINT" | "SIGQUIT" | "SIGTSTP"): boolean {
  // The kernel reads this argument as a number.
  return libc().ioctl(fd, TIOCSIG, constants.signals[signal] as Pointer) === 0;
}

/** Makes the kernel's line editing count characters of UTF-8. */
export function setUtf8Editing(fd: number): void {
  const settings = new Uint32Array(TERMIOS_BYTES / 4);
  if (libc().ioctl(fd, TCGETS, ptr(settings)) !== 0) return;
  settings[0] = (settings[0] ?? 0) | IUTF8;
  libc().ioctl(fd, TCSETS, ptr(settings));
}

/** Makes orphans of the daemon's children its own children, or again those of process 1. */
export function becomeSubreaper(adopts: boolean): boolean {
  return libc().prctl(PR_SET_CHILD_SUBREAPER, adopts ? 1n : 0n, 0n, 0n, 0n) === 0;
}

/** Closes `/proc/<daemon>/environ` and `mem` to other processes of the same user: secrets may be in there. */
export function forbidInspection(): void {
  libc().prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n);
}

/** The identity that the kernel judges a thread's system calls by. */
export interface ThreadIdentity {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/**
 * Gives the calling thread, and no other, another effective identity; the real one stays, so that a thread of
 * root can go back. Asked of the kernel directly: the C library's own functions change every thread.
 * @returns false when the kernel refuses; what had been changed by then stays.
 */
export function setThreadIdentity(
  { uid, gid, groups }: ThreadIdentity,
  direction: "enter" | "leave",
): boolean {
  const { syscall } = libc();
  const list = Uint32Array.from(groups);
  const listed = groups.length === 0 ? 0n : BigInt(ptr(list));
  const steps = [
    () => syscall(SYS_SET_IDS.groups, BigInt(groups.length), listed, 0n, 0n),
    () => syscall(SYS_SET_IDS.group, -1n, BigInt(gid), -1n, 0n),
    () => syscall(SYS_SET_IDS.user, -1n, BigInt(uid), -1n, 0n),
  ];
  // Only root may change groups, so it is root's identity that goes last and comes back first.
  return (direction === "enter" ? steps : steps.reverse()).every((step) => step() === 0n);
}

/** A queue of file changes, whose reading end does not block; undefined when the user has too many of them. */
export function openInotify(): number | undefined {
  const fd = libc().inotify_init1(O_CLOEXEC | O_NONBLOCK);
  return fd < 0 ? undefined : fd;
}

/** @returns The number that events of this directory carry, or why there will be none. */
export function addInotifyWatch(fd: number, path: string, mask: number): number | "too_many" | "refused" {
  const watch = libc().inotify_add_watch(fd, ptr(new TextEncoder().encode(`${path}\0`)), mask);
  if (watch >= 0) return watch;
  const location = libc().__errno_location();
  const number = location === null ? 0 : read.i32(location, 0);
  return number === constants.errno.ENOSPC || number === constants.errno.ENOMEM ? "too_many" : "refused";
}

export function removeInotifyWatch(fd: number, watch: number): void {
  libc().inotify_rm_watch(fd, watch);
}

/** How a child ended (`status` as waitpid(2) gives it), and what it and the children it waited for have used. */
export interface Collected {
  readonly status: number;
  readonly maxRssBytes: number;
  readonly cpuSeconds: number;
}

/** Collects one ended child by its own pid, never another's; "none" when the daemon has no such child. */
export function collect(pid: number): Collected | "living" | "none" {
  const status = new Int32Array(1);
  // struct rusage: user and system time in seconds and microseconds, the largest resident size in KiB, the rest.
  const usage = new BigInt64Array(RUSAGE_LONGS);
  const found = libc().wait4(pid, ptr(status), WNOHANG, ptr(usage));
  if (found !== pid) return found === 0 ? "living" : "none";
  const [user = 0n, userMicros = 0n, system = 0n, systemMicros = 0n, maxRss = 0n] = usage;
  return {
    status: status[0] ?? 0,
    maxRssBytes: Number(maxRss) * 1024,
    cpuSeconds: Number(user + system) + Number(userMicros + systemMicros) / 1e6,
  };
}

/**
 * Sends a signal to the very process that `isStill` recognises. A pid can be given to a new process between
 * a look and a signal; the descriptor taken first pins it, so that the signal goes to it or to nobody.
 */
export function signalProcess(pid: number, signal: NodeJS.Signals, isStill: () => boolean): boolean {
  const { syscall } = libc();
  const pidfd = Number(syscall(SYS_PIDFD_OPEN, BigInt(pid), 0n, 0n, 0n));
  if (pidfd < 0) return false;
  try {
    if (!isStill()) return false;
    const number = BigInt(constants.signals[signal]);
    return syscall(SYS_PIDFD_SEND_SIGNAL, BigInt(pidfd), number, 0n, 0n) === 0n;
  } finally {
    closeSync(pidfd);
  }
}
