import { chown, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../error.ts";
import { mountOverlayAt, unmountAt } from "../process/libc.ts";
import { readText } from "../process/cgroup-files.ts";

/**
 * Shows a directory so that what is changed stays apart from it (overlayfs).
 * @param place A directory of its own for what belongs to it; made here.
 * @param owner Who may change it; undefined: whoever may change the directory itself.
 * @returns Where it can be seen.
 * @throws EngineError `unsupported` where the kernel or the file system refuses.
 */
export async function mountOverlay(
  lower: string,
  place: string,
  owner: { readonly uid: number; readonly gid: number } | undefined,
): Promise<string> {
  const [upper, work, merged] = ["upper", "work", "merged"].map((name) => join(place, name));
  if (upper === undefined || work === undefined || merged === undefined || /[,:\\]/.test(lower + place))
    throw new EngineError("invalid", `Cannot overlay ${lower}: its path has a comma, colon or backslash`);
  for (const directory of [upper, work, merged]) await mkdir(directory, { recursive: true, mode: 0o755 });
  if (owner) await chown(upper, owner.uid, owner.gid);
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  const refusal = mountOverlayAt(merged, options);
  if (refusal === undefined) return merged;
  throw new EngineError("unsupported", `Cannot overlay ${lower} on this machine: the kernel says ${refusal}`);
}

/** Takes an overlay down with everything that was changed in it. What is not there is fine. */
export async function discardOverlay(place: string): Promise<void> {
  const merged = join(place, "merged");
  // At once for the path, whoever still works in it; removing what is below must not go through a mount.
  if (isMounted(merged)) unmountAt(merged);
  if (!isMounted(merged)) await rm(place, { recursive: true, force: true });
}

/** Overlays that a daemon that was killed left mounted below a directory. */
export function mountedBelow(directory: string): string[] {
  return mountPoints().filter((point) => point.startsWith(`${directory}/`));
}

function isMounted(path: string): boolean {
  return mountPoints().includes(path);
}

function mountPoints(): string[] {
  return readText("/proc/self/mountinfo")
    .split("\n")
    .flatMap((line) => line.split(" ")[4] ?? [])
    .map((point) =>
      point.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8))),
    );
}
