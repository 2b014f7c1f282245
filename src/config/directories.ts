import { chmodSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Where the daemon keeps what lasts: beside the code in a checkout (bin/sanderling says so), as root /var/lib,
 * otherwise the user's own data directory (XDG).
 */
export function defaultDataDirectory(): string {
  const ofCheckout = process.env["SANDERLING_DEFAULT_DATA_DIR"];
  if (ofCheckout !== undefined) return ofCheckout;
  if (process.getuid?.() === 0) return "/var/lib/sanderling";
  return join(process.env["XDG_DATA_HOME"] ?? join(homedir(), ".local/share"), "sanderling");
}

/** The product's own Python, inside the data directory. */
export function ownPython(dataDirectory: string): string {
  return join(dataDirectory, "python");
}

/**
 * The part of the data directory that only the daemon may read: secrets and journals. The rest stays passable,
 * because code that runs as another user needs the Python in there.
 */
export function makePrivateDirectory(dataDirectory: string): string {
  const path = join(dataDirectory, "private");
  // The mask of whoever starts the daemon may take from the mode, and then that user could not pass.
  if (mkdirSync(dataDirectory, { recursive: true }) !== undefined) chmodSync(dataDirectory, 0o755);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}
