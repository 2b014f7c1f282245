import { EngineError } from "../error.ts";
import type { PlacedMount } from "../isolation/spec.ts";
import { findUser, type RunUser } from "../user.ts";
import { PathRules, type PathRulesOptions } from "./paths.ts";

/**
 * The rules for files that are used with the rights of another user of the machine, whom the kernel judges.
 * @param given The rules of the user that the sandbox's files are used as.
 * @throws EngineError `denied` when the daemon may not act as that user.
 */
export function rulesAs(
  options: PathRulesOptions,
  given: PathRules,
  { uid, gid }: { readonly uid: number; readonly gid: number },
): PathRules {
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const user = options.user ?? own;
  if (user.uid === uid && user.gid === gid) return given;
  // Where code is bound to one user, files must not be a way around that.
  if (options.user !== undefined || own.uid !== 0)
    throw new EngineError("denied", `Cannot use files as ${uid}:${gid}: only as ${user.uid}:${user.gid}`);
  const allowedRoots = options.allowedRoots.length > 0 ? options.allowedRoots : ["/"];
  return new PathRules({ ...options, allowedRoots, user: findUser(`${uid}:${gid}`) });
}

/**
 * The rules for files inside these mounts, used with the rights of whoever the session's programs are.
 * @throws EngineError `denied` when there are none.
 */
export function rulesWithin(
  options: PathRulesOptions,
  mounts: readonly PlacedMount[],
  user: RunUser | undefined,
): PathRules {
  if (mounts.length === 0) throw new EngineError("denied", "Cannot change anything: it is mounted read-only");
  const allowedRoots = mounts.map(({ host }) => host);
  return new PathRules({ ...options, allowedRoots, user: user ?? options.user });
}
