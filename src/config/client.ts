import { readFileSync } from "node:fs";
import { ConfigError } from "./read.ts";

/** How the command line reaches a daemon: flags over the environment. */
export interface ClientSettings {
  readonly url: string;
  /** undefined: none was given. */
  readonly token: string | undefined;
}

export interface ClientFlags {
  readonly url?: string;
  readonly tokenFile?: string;
}

const DEFAULT_URL = "http://127.0.0.1:7777";

/** @throws ConfigError */
export function readClientSettings(flags: ClientFlags): ClientSettings {
  const url = flags.url ?? process.env["SANDERLING_URL"] ?? DEFAULT_URL;
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url))
    throw new ConfigError(`--url: expected an address such as ${DEFAULT_URL}, got ${JSON.stringify(url)}`);
  const file = flags.tokenFile ?? process.env["SANDERLING_TOKEN_FILE"];
  const token = flags.tokenFile === undefined ? process.env["SANDERLING_TOKEN"] : undefined;
  return { url, token: token ?? (file === undefined ? undefined : readToken(file)) };
}

function readToken(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new ConfigError(`--token-file: cannot read ${path}: ${String(error)}`);
  }
}
