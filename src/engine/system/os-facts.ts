import { arch, hostname, platform, release } from "node:os";
import { readText } from "../process/cgroup-files.ts";

/** The operating system, as /etc/os-release names it (os-release(5)). */
export interface OsFacts {
  readonly name: string;
  readonly version: string;
  readonly kernel: string;
  readonly arch: string;
  readonly hostname: string;
  readonly timezone: string;
}

export function readOsFacts(): OsFacts {
  const text = readText("/etc/os-release");
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(text)?.[1];
  return {
    name: field("NAME") ?? platform(),
    version: field("VERSION_ID") ?? "",
    kernel: release(),
    arch: arch(),
    hostname: hostname(),
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}
