import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isolationArgv } from "./command-line.ts";
import { discardOverlay, mountOverlay } from "./overlay.ts";
import type { IsolationReport, IsolationSpec } from "./spec.ts";
import type { Tools } from "./tools.ts";

/** Another user than the daemon's, whom every machine can switch to whether it has a name or not. */
const OTHER_UID = 65_534;

/**
 * Finds out what works by doing it: kernels, containers and their policies forbid namespaces in many ways, and
 * say so only when they are asked for one.
 * @param directory For files of the probe; made where it is missing.
 */
export async function probeIsolation(tools: Tools, directory: string): Promise<IsolationReport> {
  await mkdir(join(directory, "private"), { recursive: true, mode: 0o700 });
  const version = await tools.run("bwrap", "--version");
  const works = async (change: Partial<IsolationSpec>) => {
    const mount = { path: directory, mode: "ro", host: directory } as const;
    const spec: IsolationSpec = { ...PLAINEST, mounts: [mount], ...change };
    const around = {
      mounts: [mount],
      shellDirectory: directory,
      privateDirectory: join(directory, "private"),
      isRoot: process.getuid?.() === 0,
      find: (name: string) => tools.find(name),
    };
    const [program, ...args] = isolationArgv(spec, around);
    return tools.run(program, ...args, "true");
  };
  const plain = version.ok ? await works({}) : version;
  if (!plain.ok) {
    const message = plain.text === "" ? "bubblewrap (bwrap) does not work on this machine" : plain.text;
    return { available: false, version: undefined, message, setpriv: false, userns: false, overlay: false };
  }
  return {
    available: true,
    version: /\d[\w.]*/.exec(version.text)?.[0],
    message: undefined,
    setpriv: (await works({ uid: OTHER_UID })).ok,
    userns: (await works({ uid: 1000, uidMode: "userns" })).ok,
    overlay: await canOverlay(directory),
  };
}

const PLAINEST = {
  profile: "strict",
  extraWritable: [],
  binds: [],
  shareNet: false,
  environment: { mode: "deny", keys: [] },
  uid: undefined,
  gid: undefined,
  uidMode: "setpriv",
  idleMs: 0,
} as const;

async function canOverlay(directory: string): Promise<boolean> {
  const place = join(directory, "overlay");
  try {
    await mountOverlay(directory, place, undefined);
    return true;
  } catch {
    // What went wrong is told to whoever asks for one.
    return false;
  } finally {
    await discardOverlay(place);
  }
}
