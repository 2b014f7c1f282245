import type { FileFacts } from "../../engine/files/facts.ts";
import type { OwnerNames } from "../../engine/files/owners.ts";
import type { PermissionChange } from "../../engine/files/permissions.ts";
import { ExecdRefusal } from "./errors.ts";
import type { Permission } from "./files-schema.ts";

const SECOND = 1_000_000_000n;

/** One file in the words of the API (contracts/opensandbox-execd.md, 9.1). */
export function describeFile(facts: FileFacts, path = facts.path) {
  return {
    path,
    type: ["file", "directory", "symlink"].includes(facts.type) ? facts.type : "other",
    size: facts.size,
    modified_at: timeText(facts.modifiedNs),
    created_at: timeText(facts.changedNs),
    owner: facts.owner,
    group: facts.group,
    mode: Number((facts.mode & 0o777).toString(8)),
  };
}

/** Owner, group and mode as the engine takes them. @throws ExecdRefusal, EngineError for an unknown name. */
export function toChange(permission: Permission | null | undefined, names: OwnerNames): PermissionChange {
  const { owner, group, mode } = permission ?? {};
  return {
    mode: toMode(mode),
    uid: owner ? names.uid(owner) : undefined,
    gid: group ? names.gid(group) : undefined,
  };
}

/** 755 stands for 0o755; a real octal literal arrives as 493 and is told. */
function toMode(mode: number | string | null | undefined): number | undefined {
  const digits = String(mode ?? "");
  if (digits === "" || /^0+$/.test(digits)) return undefined;
  if (/^[0-7]{1,4}$/.test(digits)) return Number.parseInt(digits, 8);
  throw new ExecdRefusal(
    400,
    "INVALID_REQUEST_BODY",
    `Cannot use the mode ${digits}: expected octal digits as a decimal number, such as 755 (not 0o755, which is 493)`,
  );
}

/** With nanoseconds, which tell two changes in one millisecond apart. */
function timeText(ns: bigint): string {
  const rest = ((ns % SECOND) + SECOND) % SECOND;
  const seconds = new Date(Number((ns - rest) / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${String(rest).padStart(9, "0")}Z`;
}
