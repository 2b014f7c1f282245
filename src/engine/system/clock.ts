import { readFileSync } from "node:fs";

/** Of /proc; fixed for programs on every Linux, whatever the kernel counts in itself (USER_HZ). */
export const CLOCK_TICKS = 100;

/** Seconds since boot, in which /proc tells when processes began. */
export function uptimeSeconds(): number {
  return Number.parseFloat(readFileSync("/proc/uptime", "latin1"));
}

/** When the machine was booted by its present clock, which may have been set since; exact to a second. */
export function bootTimeMs(): number {
  const [, seconds] = /^btime (\d+)$/m.exec(readFileSync("/proc/stat", "latin1")) ?? [];
  return seconds === undefined ? Date.now() - 1000 * uptimeSeconds() : 1000 * Number(seconds);
}
