import { EngineError } from "./error.ts";
import { setThreadIdentity, type ThreadIdentity } from "./process/libc.ts";

/**
 * Does something at once, and not later, with the rights of a user instead of root's: the kernel then judges every
 * path, permission bit, sticky directory and access list as it would for the user's own programs, in the same
 * moment in which it acts. A look beforehand could be made wrong in between.
 * @param act Synchronous; what it leaves to be done later is done as root.
 * @throws EngineError `unavailable` when the kernel does not let the daemon act as this user.
 */
export function asUser<T>(user: ThreadIdentity, act: () => T): T {
  const own = {
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    groups: process.getgroups?.() ?? [],
  };
  if (!setThreadIdentity(user, "enter")) {
    comeBack(own);
    throw new EngineError("unavailable", `Cannot use files as the user with the number ${user.uid}`);
  }
  try {
    return act();
  } finally {
    comeBack(own);
  }
}

function comeBack(own: ThreadIdentity): void {
  if (setThreadIdentity(own, "leave")) return;
  // Going on as another user than everybody believes would be worse than any end.
  process.abort();
}
