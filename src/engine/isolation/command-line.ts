import { dirname } from "node:path";
import type { IsolationSpec, PlacedMount } from "./spec.ts";

/** What an administrator inside may do to files and processes of the session; nothing that touches mounts or devices. */
const BALANCED_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"];
/** To become another user before the first program starts; given up on the way. */
const SWITCHING_CAPABILITIES = ["SETGID", "SETUID", "SETPCAP"];

export interface Surroundings {
  readonly mounts: readonly PlacedMount[];
  /** The session's own files for its shell; seen inside under the same path. */
  readonly shellDirectory: string;
  /** The daemon's own data, which no session sees. */
  readonly privateDirectory: string;
  readonly isRoot: boolean;
  /** Where a tool is. */
  readonly find: (name: string) => string;
}

/**
 * The arguments that stand before a session's shell (bwrap(1)). Everything of the machine is there, but read-only;
 * /tmp is the session's own, and so are processes, IPC and host name. Later mounts lie over earlier ones.
 */
export function isolationArgv(spec: IsolationSpec, around: Surroundings): readonly [string, ...string[]] {
  const mounts = [...around.mounts].sort((a, b) => a.path.length - b.path.length);
  return [
    around.find("bwrap"),
    ...["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts"],
    ...(spec.shareNet ? [] : ["--unshare-net"]),
    ...["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"],
    ...waysTo([
      ...mounts.map(({ path }) => path),
      ...spec.extraWritable,
      ...spec.binds.map(({ dest }) => dest),
      around.shellDirectory,
    ]),
    ...mounts.flatMap(({ mode, host, path }) => [mode === "ro" ? "--ro-bind" : "--bind", host, path]),
    ...spec.extraWritable.flatMap((path) => ["--bind", path, path]),
    ...spec.binds.flatMap(({ source, dest, readonly }) => [readonly ? "--ro-bind" : "--bind", source, dest]),
    ...["--tmpfs", around.privateDirectory, "--bind", around.shellDirectory, around.shellDirectory],
    ...["--chdir", mounts.find(({ path }) => path === spec.mounts[0]?.path)?.path ?? "/"],
    ...identity(spec, around.isRoot),
    "--",
    ...switching(spec, around),
  ];
}

/**
 * The directories in the session's own /tmp that lead to what is mounted there. Made by bubblewrap itself they would
 * be closed to everybody but root.
 */
function waysTo(paths: readonly string[]): string[] {
  const ways = new Set<string>();
  for (const path of paths)
    for (let above = dirname(path); above.startsWith("/tmp/"); above = dirname(above)) ways.add(above);
  return [...ways].sort((a, b) => a.length - b.length).flatMap((way) => ["--dir", way]);
}

function identity({ profile, uid, gid, uidMode }: IsolationSpec, isRoot: boolean): string[] {
  if (uidMode === "userns")
    return [
      "--unshare-user",
      "--cap-drop",
      "ALL",
      "--uid",
      String(uid ?? 0),
      "--gid",
      String(gid ?? uid ?? 0),
    ];
  if (!isRoot) return ["--cap-drop", "ALL"];
  const wanted =
    uid !== undefined ? SWITCHING_CAPABILITIES : profile === "balanced" ? BALANCED_CAPABILITIES : [];
  return ["--cap-drop", "ALL", ...wanted.flatMap((name) => ["--cap-add", `CAP_${name}`])];
}

/** With the last capabilities gone there is no way back, not even by a set-uid program. */
function switching({ uid, gid, uidMode }: IsolationSpec, { find }: Surroundings): string[] {
  if (uidMode === "userns" || uid === undefined) return [];
  return [
    ...[find("setpriv"), `--reuid=${uid}`, `--regid=${gid ?? uid}`, "--clear-groups"],
    ...["--bounding-set=-all", "--inh-caps=-all", "--"],
  ];
}
