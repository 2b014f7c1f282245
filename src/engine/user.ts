import { readFileSync } from "node:fs";
import type { Environment } from "./environment.ts";
import { EngineError } from "./error.ts";

/** A user of the machine that runs are started as. */
export interface RunUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** All groups, the primary one included. */
  readonly groups: readonly number[];
  readonly home: string;
  readonly shell: string;
}

/**
 * Finds a user by name or number ("app", "1000", "1000:1000") in /etc/passwd and /etc/group.
 * @throws EngineError `invalid` when there is none of that name.
 */
export function findUser(wanted: string): RunUser {
  const [user = "", group] = wanted.split(":");
  const entry = table("/etc/passwd").find(([name, , uid]) => name === user || uid === user);
  if (entry === undefined && !/^\d+$/.test(user)) {
    throw new EngineError("invalid", `Cannot run as ${wanted}: there is no such user in /etc/passwd`);
  }
  const [name = user, , uid = user, primary = user, , home = "/", shell = "/bin/sh"] = entry ?? [];
  const gid = group === undefined ? Number(primary) : findGroup(group);
  const supplementary = table("/etc/group")
    .filter(([, , , list]) => list?.split(",").includes(name))
    .map(([, , id]) => Number(id));
  return { name, uid: Number(uid), gid, groups: [...new Set([gid, ...supplementary])], home, shell };
}

/** The daemon's own, with the home and the shell that its environment names. */
export function ownUser(environment: Environment): RunUser {
  const user = findUser(String(process.getuid?.() ?? 0));
  return { ...user, home: environment["HOME"] ?? user.home, shell: environment["SHELL"] ?? user.shell };
}

/** The names of the machine's users by number. */
export function userNames(): ReadonlyMap<number, string> {
  return new Map(table("/etc/passwd").map(([name = "", , uid]) => [Number(uid), name]));
}

/** The names of the machine's groups by number. */
export function groupNames(): ReadonlyMap<number, string> {
  return new Map(table("/etc/group").map(([name = "", , gid]) => [Number(gid), name]));
}

function findGroup(wanted: string): number {
  const entry = table("/etc/group").find(([name, , gid]) => name === wanted || gid === wanted);
  if (entry === undefined && !/^\d+$/.test(wanted)) {
    throw new EngineError("invalid", `Cannot run with group ${wanted}: there is no such group in /etc/group`);
  }
  return Number(entry?.[2] ?? wanted);
}

function table(path: string): string[][] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(":"));
  } catch {
    return [];
  }
}
