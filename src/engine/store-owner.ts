import { readFileSync } from "node:fs";
import { readStat } from "./process/proc.ts";

/** Owners opened by this very process and not closed: another engine here is not a dead one. */
const here = new Set<string>();

/**
 * Names one opened store, so that what it left unfinished can be told from what another daemon with the same
 * data directory still works on. A pid alone would not do: process 1 of a virtual machine is always process 1.
 */
export function claimOwner(): { readonly owner: string; release(): void } {
  const started = readStat(process.pid)?.startTime ?? 0;
  const owner = [bootId(), process.pid, started, Bun.randomUUIDv7()].join("/");
  here.add(owner);
  return { owner, release: () => void here.delete(owner) };
}

/** Whether the daemon that wrote this name can still finish what it began. */
export function isOwnerAlive(owner: string): boolean {
  if (here.has(owner)) return true;
  const [boot, pid, started] = owner.split("/");
  if (boot !== bootId() || Number(pid) === process.pid) return false;
  return readStat(Number(pid))?.startTime === Number(started);
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "unknown";
  }
}
