import type { Environment } from "./environment.ts";
import { EngineError } from "./error.ts";
import { findUser, type RunUser } from "./user.ts";

/** A user of the machine as a request names it. */
export interface RunIdentity {
  readonly uid: number;
  /** Absent: the user's own. */
  readonly gid?: number | undefined;
}

/**
 * The user that a run of this identity is started as; `bound` where it is already that one. A uid that is not in
 * /etc/passwd is its own group, unless one is named, and has no others.
 * @param bound The user that all runs are bound to; undefined: the daemon's own.
 * @throws EngineError `denied` when the daemon may not act as that user.
 */
export function userOf({ uid, gid }: RunIdentity, bound: RunUser | undefined): RunUser | undefined {
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const given = bound ?? own;
  if (uid === given.uid && (gid === undefined || gid === given.gid)) return bound;
  // Where code is bound to one user, a request must not be a way around that.
  if (bound !== undefined || own.uid !== 0) {
    const wanted = gid === undefined ? `uid ${uid}` : `uid ${uid} and gid ${gid}`;
    throw new EngineError(
      "denied",
      `Cannot run with ${wanted}: only as uid ${given.uid} and gid ${given.gid}`,
    );
  }
  return findUser(gid === undefined ? String(uid) : `${uid}:${gid}`);
}

/** What programs take for the identity of whoever started them. */
export function identityEnvironment(user: RunUser): Environment {
  return { HOME: user.home, USER: user.name, LOGNAME: user.name, SHELL: user.shell };
}
