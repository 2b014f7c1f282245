import { existsSync, readFileSync } from "node:fs";
import { arch, release, type } from "node:os";
import type { Config } from "../config/read.ts";
import { openCgroupContainment } from "../engine/process/cgroup.ts";
import { openProcessGroupContainment } from "../engine/process/process-group.ts";
import { findUser } from "../engine/user.ts";
import { describe, finding, required, type Finding } from "./finding.ts";

export function system(): Finding {
  const name = /^PRETTY_NAME="?([^"\n]*)/m.exec(readIfThere("/etc/os-release"))?.[1];
  const detail = `${name ?? "unknown distribution"}, ${type()} ${arch()}, Bun ${Bun.version}`;
  return finding("system", "ok", detail, { version: release() });
}

/** Opens what the daemon would open, and lets go of it. */
export async function containment({ settings }: Config): Promise<Finding> {
  const fix = "let the daemon write its cgroup (a container: a writable /sys/fs/cgroup)";
  try {
    const cgroup = settings.containment === "auto" ? openCgroupContainment({ endStale: false }) : undefined;
    await using opened = cgroup ?? openProcessGroupContainment();
    const { kind, detail, enforces } = opened.report;
    const limits = Object.entries(enforces);
    const held = limits.filter(([, isEnforced]) => isEnforced).map(([name]) => name);
    const shown = `${kind}: ${detail}; enforces ${held.join(", ") || "no limits"}`;
    if (held.length === limits.length) return required(finding("containment", "ok", shown));
    return required(finding("containment", "limited", shown, { fix }));
  } catch (error) {
    return required(finding("containment", "missing", describe(error), { fix }));
  }
}

export function runAs({ settings }: Config): Finding {
  const isRoot = process.getuid?.() === 0;
  const helper = Bun.which("setpriv", { PATH: "/usr/bin:/bin:/usr/sbin:/sbin" });
  const helperFix = helper === null ? { fix: "install setpriv (package util-linux)" } : {};
  if (settings.runAs === undefined) {
    if (!isRoot) return finding("run as user", "limited", "not root: code runs as the daemon's own user");
    const detail = "root: --run-as can name a user; without it code runs as root";
    return finding("run as user", helper === null ? "limited" : "ok", detail, helperFix);
  }
  try {
    const user = findUser(settings.runAs);
    if (!isRoot) throw new Error(`cannot run as ${user.name}: the daemon must be started as root`);
    const isWhole = helper !== null || user.groups.length === 1;
    const detail = `${user.name} (${user.uid}:${user.gid})${isWhole ? "" : ", without its further groups"}`;
    return required(finding("run as user", isWhole ? "ok" : "limited", detail, helperFix));
  } catch (error) {
    return required(finding("run as user", "missing", describe(error), { fix: "change --run-as" }));
  }
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
