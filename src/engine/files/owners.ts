import { EngineError } from "../error.ts";
import { groupNames, userNames } from "../user.ts";

/** The names of the machine's users and groups by number, read once for many files. */
export class OwnerNames {
  readonly #users = userNames();
  readonly #groups = groupNames();

  /** The number as text where there is no name. */
  user(uid: number): string {
    return this.#users.get(uid) ?? String(uid);
  }

  group(gid: number): string {
    return this.#groups.get(gid) ?? String(gid);
  }

  /** @throws EngineError `invalid` when there is no such user; a number needs none. */
  uid(wanted: string): number {
    return numberOf(wanted, this.#users, "user");
  }

  /** As `uid`. */
  gid(wanted: string): number {
    return numberOf(wanted, this.#groups, "group");
  }
}

/** The last number is the kernel's word for "leave alone". */
const HIGHEST = 2 ** 32 - 2;

function numberOf(wanted: string, names: ReadonlyMap<number, string>, kind: string): number {
  for (const [number, name] of names) if (name === wanted) return number;
  if (/^\d{1,10}$/.test(wanted) && Number(wanted) <= HIGHEST) return Number(wanted);
  throw new EngineError("invalid", `Cannot give anything to ${wanted}: there is no such ${kind}`);
}
