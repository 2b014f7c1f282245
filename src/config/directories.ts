import { homedir } from "node:os";
import { join } from "node:path";

/** Where the daemon keeps what lasts: as root /var/lib, otherwise the user's own data directory (XDG). */
export function defaultDataDirectory(): string {
  if (process.getuid?.() === 0) return "/var/lib/sanderling";
  return join(process.env["XDG_DATA_HOME"] ?? join(homedir(), ".local/share"), "sanderling");
}

/** The product's own Python, inside the data directory. */
export function ownPython(dataDirectory: string): string {
  return join(dataDirectory, "python");
}

/** What only the daemon may read: secrets and journals. */
export function privateDirectory(dataDirectory: string): string {
  return join(dataDirectory, "private");
}
