import { randomBytes, randomInt } from "node:crypto";
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makePrivateDirectory } from "./config/directories.ts";
import { ConfigError } from "./config/read.ts";
import type { Settings } from "./config/settings.ts";

export interface Credentials {
  readonly jwtSecret: string | undefined;
  readonly apiKey: string;
  readonly accessToken: string;
  readonly sandboxId: string;
  /** Where the key of signed addresses comes from; never given, so that only this daemon can make them. */
  readonly urlSecret: string;
  /** Whether the JWT secret was made here rather than given: then nobody else knows a token. */
  readonly isGenerated: boolean;
}

const ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

/**
 * The credentials in force: those given, and for the others values made once and kept in the data directory,
 * so that tokens outlive a restart.
 * @throws ConfigError when the data directory cannot be used or the sandbox's id cannot be one.
 */
export function readCredentials(settings: Settings): Credentials {
  const kept = (name: string, make: () => string) => keep(settings.dataDir, name, make);
  const isGenerated = settings.jwtSecret === undefined && settings.jwtPublicKey === undefined;
  const sandboxId = settings.sandboxId ?? kept("sandbox-id", makeId);
  if (!/^[\w-]{1,64}$/.test(sandboxId)) {
    throw new ConfigError(
      `SANDERLING_SANDBOX_ID: expected 1 to 64 letters, digits, - or _, got ${JSON.stringify(sandboxId)}`,
    );
  }
  return {
    jwtSecret: isGenerated ? kept("jwt-secret", makeSecret) : settings.jwtSecret,
    apiKey: settings.apiKey ?? kept("api-key", makeSecret),
    accessToken: settings.accessToken ?? kept("access-token", makeSecret),
    sandboxId,
    urlSecret: kept("url-secret", makeSecret),
    isGenerated,
  };
}

/** Reads a value, or makes it; of two daemons that make it at once both get the same. */
function keep(dataDirectory: string, name: string, make: () => string): string {
  try {
    const path = join(makePrivateDirectory(dataDirectory), name);
    const existing = read(path);
    if (existing !== undefined) return existing;
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, make(), { mode: 0o600 });
    try {
      linkSync(draft, path);
    } catch {
      // The other daemon was first; its value is read below.
    }
    rmSync(draft);
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`Cannot keep ${name} in the data directory: ${reason}`);
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function makeSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** 20 letters and digits, which every client accepts as an id (contracts/hopx-agent.md, 13.2). */
function makeId(): string {
  return Array.from({ length: 20 }, () => ID_LETTERS[randomInt(ID_LETTERS.length)]).join("");
}
