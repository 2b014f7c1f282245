import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

/** One mounted hierarchy and the daemon's own place in it. */
export interface Hierarchy {
  readonly version: 1 | 2;
  readonly controllers: ReadonlySet<string>;
  /** The cgroup directory of the daemon itself. */
  readonly own: string;
}

/** Reads where this process stands in every mounted hierarchy (cgroups(7), /proc/pid/cgroup). */
export function findHierarchies(): Hierarchy[] {
  const mounts = readCgroupMounts();
  const found: Hierarchy[] = [];
  for (const line of readText("/proc/self/cgroup").split("\n")) {
    const [id, names, ...rest] = line.split(":");
    if (id === undefined || names === undefined) continue;
    const version = id === "0" ? 2 : 1;
    const mount = mounts.find(
      (m) => m.version === version && (version === 2 || m.options.has(names.split(",")[0] ?? "")),
    );
    if (mount === undefined) continue;
    const own = ownDirectory(mount, rest.join(":"));
    const listed =
      version === 2 ? readText(join(own, "cgroup.controllers")).trim().split(" ") : names.split(",");
    found.push({ version, controllers: new Set(listed.filter(Boolean)), own });
  }
  return found;
}

interface CgroupMount {
  readonly version: 1 | 2;
  readonly root: string;
  readonly point: string;
  readonly options: ReadonlySet<string>;
}

function readCgroupMounts(): CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (const line of readText("/proc/self/mountinfo").split("\n")) {
    const [before, after] = line.split(" - ");
    const [, , , root, point] = before?.split(" ") ?? [];
    const [type, , options] = after?.split(" ") ?? [];
    if (root === undefined || point === undefined || (type !== "cgroup" && type !== "cgroup2")) continue;
    mounts.push({ version: type === "cgroup2" ? 2 : 1, root, point, options: new Set(options?.split(",")) });
  }
  return mounts;
}

/** In a container the path may be the host's while only a part of the tree is mounted. */
function ownDirectory(mount: CgroupMount, path: string): string {
  const below = path.startsWith(mount.root) ? path.slice(mount.root.length) : path;
  const own = join(mount.point, below);
  return existsSync(own) ? own : mount.point;
}

/** The text of a control file; empty when it is missing or may not be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

const short = Buffer.alloc(4096);

/** The text of a small control file, in three calls to the kernel; empty when it may not be read. */
function readShort(path: string): string {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return "";
  }
  try {
    return short.toString("latin1", 0, readSync(file, short, 0, short.byteLength, null));
  } catch {
    // ENODEV: the cgroup has been removed since.
    return "";
  } finally {
    closeSync(file);
  }
}

/** Writes a control file; false when the kernel refuses. */
export function tryWrite(path: string, value: string): boolean {
  try {
    writeFileSync(path, value);
    return true;
  } catch {
    return false;
  }
}

export function tryMakeDirectory(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Removes a cgroup; false while it has members or children. */
export function tryRemoveDirectory(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return !existsSync(path);
  }
}

/** The value of one `name value` line of a control file, as in memory.events. */
export function readField(path: string, name: string): number | null {
  const match = new RegExp(`^${name} (\\d+)$`, "m").exec(readShort(path));
  return match ? Number(match[1]) : null;
}

/** A control file that holds one number; null for "max", or when it is missing. */
export function readNumber(path: string): number | null {
  const text = readShort(path).trim();
  return /^\d+$/.test(text) ? Number(text) : null;
}

export function members(directory: string): number[] {
  return readText(join(directory, "cgroup.procs")).split("\n").filter(Boolean).map(Number);
}

export function childDirectories(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(directory, entry.name));
  } catch {
    return [];
  }
}
