import type { BigIntStats } from "node:fs";
import { EngineError } from "../error.ts";

/** @throws EngineError `invalid` for a FIFO, a device or a socket, which could block for ever. */
export function refuseSpecial(stats: BigIntStats, action: string, path: string): void {
  const kind = kindOf(stats);
  if (kind === "file" || kind === "directory") return;
  throw new EngineError("invalid", `Cannot ${action} ${path}: it is a ${kind}`, { details: { path } });
}

/** As `refuseSpecial`, and no directory either. */
export function refuseUnlessFile(stats: BigIntStats, action: string, path: string): void {
  const kind = kindOf(stats);
  if (kind === "file") return;
  throw new EngineError("invalid", `Cannot ${action} ${path}: it is a ${kind}`, { details: { path } });
}

function kindOf(stats: BigIntStats): string {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isFIFO()) return "FIFO";
  return stats.isSocket() ? "socket" : "device";
}
