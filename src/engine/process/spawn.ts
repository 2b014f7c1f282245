import { accessSync, closeSync, constants as access, existsSync, statSync } from "node:fs";
import { constants } from "node:os";
import { resolve as resolvePath } from "node:path";
import type { SignalName, StartFailure } from "../run.ts";
import { mayExecute } from "../access.ts";
import type { RunUser } from "../user.ts";
import { createStreams } from "./child-streams.ts";
import type { Collected, TerminalSize } from "./libc.ts";

export interface SpawnSpec {
  /** The program and its arguments; the program is looked up in the PATH of `env`. */
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Absent: /dev/null; "open": a pipe that the caller writes to. */
  readonly stdin?: Uint8Array | "open" | undefined;
  /** Absent: the daemon's own user. */
  readonly user?: RunUser | undefined;
  readonly cgroup?: string | undefined;
  /** A pipe to read: the program begins when its other end is closed. */
  readonly gate?: number | undefined;
  /** Open files of each process. */
  readonly openFiles?: number | undefined;
  /** Further descriptors of the daemon, which the program finds as 3, 4 and so on; they stay the caller's. */
  readonly descriptors?: readonly number[] | undefined;
  /** The standard streams are a new terminal of this size, which controls the program's session. */
  readonly terminal?: TerminalSize | undefined;
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: SignalName | null;
  readonly maxRssBytes: number;
  readonly cpuSeconds: number;
}

export interface Child {
  readonly pid: number;
  /** Descriptors to read, owned by the caller. */
  readonly stdout: number;
  /** Undefined where there is a terminal: it has one direction of output. */
  readonly stderr: number | undefined;
  /** Descriptor to write without blocking, owned by the caller, where `stdin` was "open" or is a terminal. */
  readonly stdin: number | undefined;
  /** Settles when the process has ended and been reaped; never rejects. */
  readonly exited: Promise<ChildExit>;
}

/** A program that could not be started at all. */
export class SpawnFailure extends Error {
  override readonly name = "SpawnFailure";
  constructor(
    readonly reason: StartFailure,
    message: string,
  ) {
    super(message);
  }
}

const living = new Set<number>();

/** Whether a pid is a child started here that has not been reaped yet. */
export function isLivingChild(pid: number): boolean {
  return living.has(pid);
}

/**
 * Starts a child in a session of its own with real pipes. The only place that starts processes.
 * @throws SpawnFailure when the program or the directory is not there or may not be used.
 */
export function spawn(spec: SpawnSpec): Child {
  const { stdin, stdout, stderr, terminal } = createStreams(spec);
  const { promise: exited, resolve } = Promise.withResolvers<ChildExit>();
  try {
    const argv = withGate(spec, withUser(spec, withPreparation(withTerminal(spec, terminal))));
    if (argv !== spec.argv) refuseMissing(spec);
    const child = Bun.spawn([...argv], {
      // The directory is entered before the user is switched: as root, every one would open.
      cwd: spec.user === undefined ? spec.cwd : "/",
      env: spec.env,
      stdio: [
        stdin?.readFd ?? "ignore",
        stdout.writeFd,
        stderr.writeFd,
        ...(spec.descriptors ?? []),
        ...(spec.gate === undefined ? [] : [spec.gate]),
      ],
      detached: true,
      ...(spec.cgroup === undefined ? {} : { cgroup: spec.cgroup }),
      ...(spec.user === undefined || switchesByHelper(spec.user)
        ? {}
        : { uid: spec.user.uid, gid: spec.user.gid }),
      onExit: (ended, code, signal) => {
        living.delete(ended.pid);
        const used = ended.resourceUsage();
        resolve({
          code,
          signal: signalName(signal),
          maxRssBytes: used?.maxRSS ?? 0,
          cpuSeconds: used ? Number(used.cpuTime.total) / 1e6 : 0,
        });
      },
    });
    if (child.exitCode === null && child.signalCode === null) living.add(child.pid);
    return { pid: child.pid, stdout: stdout.readFd, stderr: stderr.readFd, stdin: stdin?.writeFd, exited };
  } catch (cause) {
    closeSync(stdout.readFd);
    if (stderr.readFd !== undefined) closeSync(stderr.readFd);
    if (stdin?.writeFd !== undefined) closeSync(stdin.writeFd);
    throw explain(spec, cause);
  } finally {
    if (stdin !== undefined) closeSync(stdin.readFd);
    closeSync(stdout.writeFd);
    closeSync(stderr.writeFd);
  }
}

/** What the kernel says of a missing program, where a helper would start and fail in its place. */
function refuseMissing(spec: SpawnSpec): void {
  const [program] = spec.argv;
  const path = locate(spec);
  if (path === null) throw new SpawnFailure("program_not_found", `${program}: not found`);
  if (!isExecutable(path, spec.user))
    throw new SpawnFailure("not_executable", `${program}: cannot be executed`);
}

function isExecutable(path: string, user: RunUser | undefined): boolean {
  if (user) return mayExecute(path, user);
  try {
    accessSync(path, access.X_OK);
    return true;
  } catch {
    return false;
  }
}

function locate({ argv: [program], cwd, env }: SpawnSpec): string | null {
  if (!program.includes("/")) return Bun.which(program, { PATH: env["PATH"] ?? "" });
  const path = resolvePath(cwd, program);
  return existsSync(path) ? path : null;
}

/** The shell waits for the end of the pipe on the last descriptor and then becomes the program, without it. */
function withGate({ gate, descriptors = [] }: SpawnSpec, argv: readonly string[]): readonly string[] {
  const fd = 3 + descriptors.length;
  return gate === undefined
    ? argv
    : ["/bin/sh", "-c", `read -r _ <&${fd}; exec "$@" ${fd}<&-`, "sh", ...argv];
}

/**
 * The runtime starts the child as the leader of a new session; the first terminal that such a one opens controls
 * it, which is what makes Ctrl-C and job control work.
 */
function withTerminal(spec: SpawnSpec, path: string | undefined): SpawnSpec {
  if (path === undefined) return spec;
  return { ...spec, argv: ["/bin/sh", "-c", 'exec <>"$1"; shift; exec "$@"', "sh", path, ...spec.argv] };
}

/** What only the user of the run may do, in a shell that then becomes the program. */
function withPreparation({ argv, cwd, user, openFiles }: SpawnSpec): readonly string[] {
  if (user === undefined && openFiles === undefined) return argv;
  const script = [
    user && 'cd -- "$1" || exit 126; unset OLDPWD; shift;',
    // The soft and the hard limit.
    openFiles !== undefined && 'ulimit -n "$1" || exit 126; shift;',
    'exec "$@"',
  ];
  const values = [...(user ? [cwd] : []), ...(openFiles === undefined ? [] : [String(openFiles)])];
  return ["/bin/sh", "-c", script.filter(Boolean).join(" "), "sh", ...values, ...argv];
}

const setpriv = Bun.which("setpriv", { PATH: "/usr/bin:/bin:/usr/sbin:/sbin" });

/** The runtime sets user and primary group and drops all others; setpriv (util-linux) sets those too. */
function switchesByHelper(user: RunUser): boolean {
  return setpriv !== null && user.groups.some((group) => group !== user.gid);
}

function withUser({ user }: SpawnSpec, argv: readonly string[]): readonly string[] {
  if (user === undefined || setpriv === null || !switchesByHelper(user)) return argv;
  const groups = user.groups.join(",");
  return [setpriv, `--reuid=${user.uid}`, `--regid=${user.gid}`, `--groups=${groups}`, "--", ...argv];
}

/** The name of a signal that is given by number. */
export function signalName(signal: number): SignalName;
export function signalName(signal: NodeJS.Signals | number | null): SignalName | null;
export function signalName(signal: NodeJS.Signals | number | null): SignalName | null {
  if (typeof signal !== "number") return signal;
  const known = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  // Real-time signals have no names in Node's table; bash calls them so.
  return (known ?? `SIGRTMIN+${signal - 34}`) as SignalName;
}

/** The end of a child that another than the runtime has collected. */
export function exitOf({ status, maxRssBytes, cpuSeconds }: Collected): ChildExit {
  const signal = status & 0x7f;
  const how =
    signal === 0 ? { code: (status >> 8) & 0xff, signal: null } : { code: null, signal: signalName(signal) };
  return { ...how, maxRssBytes, cpuSeconds };
}

function explain(spec: SpawnSpec, cause: unknown): Error {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  const { cwd } = spec;
  const [program] = spec.argv;
  if (code === "ENOTDIR" || (code === "ENOENT" && !isDirectory(cwd))) {
    return new SpawnFailure("directory_not_found", `no such directory: ${cwd}`);
  }
  if (code === "ENOENT") {
    const what = locate(spec) === null ? `${program}: not found` : `${program}: its interpreter is missing`;
    return new SpawnFailure("program_not_found", what);
  }
  if (code === "EACCES" && !program.includes("/"))
    return new SpawnFailure("not_executable", `${program}: permission denied`);
  if (code === "EACCES" || code === "ENOEXEC")
    return new SpawnFailure("not_executable", `${program}: cannot be executed`);
  if (code === "E2BIG")
    return new SpawnFailure("other", "arguments and environment are too long for the kernel");
  if (code === "EAGAIN" || code === "EMFILE" || code === "ENFILE" || code === "ENOMEM") {
    return new SpawnFailure("other", `the machine has no room for another process (${code})`);
  }
  return cause instanceof Error ? cause : new Error(String(cause));
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
