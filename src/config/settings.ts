import { createPublicKey } from "node:crypto";
import { isAbsolute, resolve } from "node:path";
import type { LanguageId } from "../engine/code/languages.ts";
import { defaultDataDirectory } from "./directories.ts";

/**
 * Every setting of the daemon, once: name, default, parser and reason. `serve --help`, the environment
 * variables, the configuration file and docs/settings.md all come from this table.
 */
export interface Settings {
  readonly host: string;
  readonly hopxPort: number;
  readonly execdPort: number;
  readonly publicUrl: string | undefined;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly jwtSecret: string | undefined;
  readonly jwtPublicKey: string | undefined;
  readonly jwtAudience: string | undefined;
  readonly jwtRequireSandboxId: boolean;
  readonly apiKey: string | undefined;
  readonly accessToken: string | undefined;
  readonly sandboxId: string | undefined;
  readonly workspace: string;
  readonly dataDir: string;
  readonly runAs: string | undefined;
  readonly python: string | undefined;
  readonly containment: "auto" | "process_group";
  readonly allowedRoots: readonly string[];
  readonly maxFileTextBytes: number;
  readonly maxUploadBytes: number;
  readonly maxArchiveEntries: number;
  readonly maxArchiveBytes: number;
  readonly maxRuns: number;
  readonly warmInterpreters: number;
  readonly desktopSize: { readonly width: number; readonly height: number };
  readonly desktopAutostart: boolean;
  readonly backgroundKeepMs: number;
  readonly backgroundKeepCount: number;
  readonly backgroundKeepBytes: number;
  readonly environmentFile: string | undefined;
  readonly executionKeepMs: number;
  readonly executionKeepCount: number;
  readonly executionKeepBytes: number;
  readonly executionSurviveMs: number | undefined;
  readonly maxSessions: number;
  readonly sessionIdleMs: number;
  readonly sessionSurviveMs: number;
  readonly sqlUrl: string | undefined;
  readonly maxBodyBytes: number;
  readonly maxOutputBytes: number;
  readonly journalBytes: number;
  readonly journalMemoryBytes: number;
  readonly maxTerminals: number;
  readonly terminalIdleMs: number;
  readonly terminalReplayBytes: number;
  readonly terminalRecordingBytes: number;
  readonly webhookTargets: readonly ("public" | "private" | "loopback" | "link-local" | "metadata")[];
  readonly webhookRetryBaseMs: number;
  readonly cacheBytes: number;
  readonly cacheTtlSeconds: number;
  readonly cacheLanguages: readonly LanguageId[];
  readonly maxContexts: number;
  readonly contextQueueLength: number;
  readonly contextIdleMs: number;
  readonly interruptGraceMs: number;
  readonly kernelStartTimeoutMs: number;
  readonly maxDisplayBytes: number;
  readonly kernelPoolSize: number;
  readonly kernelPoolSpareBytes: number;
  readonly kernelPoolLanguages: readonly LanguageId[];
  readonly killGraceMs: number;
  readonly shutdownGraceMs: number;
  readonly cancelOnDisconnect: boolean;
  readonly streamKeepMs: number;
  readonly timelineKeepCount: number;
  readonly timelineKeepMs: number;
  readonly logLevel: string;
  readonly logFormat: "auto" | "json" | "pretty";
}

export interface Setting<K extends keyof Settings = keyof Settings> {
  readonly key: K;
  /** What the value is, for the help text: "PORT", "DIR" ... */
  readonly value: string;
  readonly help: string;
  /** May also be given as the path of a file that holds it, in `SANDERLING_..._FILE`. */
  readonly secret: boolean;
  /** The default as the help text shows it. */
  readonly shown: string;
  fallback(): Settings[K];
  parse(text: string): Settings[K];
}

type Parser<T> = (text: string) => T;

const text: Parser<string> = (value) => value;
const list: Parser<readonly string[]> = (value) =>
  value
    .split(",")
    .map((item) => item.trim())
    .filter(Boolean);

function directories(value: string): readonly string[] {
  const given = list(value);
  const odd = given.find((path) => !isAbsolute(path));
  if (odd === undefined) return given.map((path) => resolve(path));
  throw new Error(`expected absolute paths, got ${JSON.stringify(odd)}`);
}

function integer(least: number, most: number): Parser<number> {
  return (value) => {
    const number = /^-?\d+$/.test(value) ? Number(value) : NaN;
    if (number >= least && number <= most) return number;
    throw new Error(`expected a whole number from ${least} to ${most}, got ${JSON.stringify(value)}`);
  };
}

const port = integer(0, 65_535);

function boolean(value: string): boolean {
  if (["1", "true", "yes", "on"].includes(value.toLowerCase())) return true;
  if (["0", "false", "no", "off"].includes(value.toLowerCase())) return false;
  throw new Error(`expected true or false, got ${JSON.stringify(value)}`);
}

function oneOf<T extends string>(...words: readonly T[]): Parser<T> {
  return (value) => {
    const word = words.find((candidate) => candidate === value);
    if (word !== undefined) return word;
    throw new Error(`expected one of ${words.join(", ")}, got ${JSON.stringify(value)}`);
  };
}

function manyOf<T extends string>(...words: readonly T[]): Parser<readonly T[]> {
  return (value) => list(value).map(oneOf(...words));
}

/** Also "64MiB", "512k". */
function bytes(least: number): Parser<number> {
  const units: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };
  return (value) => {
    const [, number, unit = ""] = /^(\d+)\s*([kmg]?)(?:i?b)?$/i.exec(value.trim()) ?? [];
    const size = Number(number) * (units[unit.toLowerCase()] ?? 1);
    if (number !== undefined && Number.isSafeInteger(size) && size >= least) return size;
    throw new Error(
      `expected a size of at least ${least} bytes such as 65536 or 64MiB, got ${JSON.stringify(value)}`,
    );
  };
}

/** Bounds of what a display can be and a picture of it may be. */
const SCREEN_SIDE = { least: 64, most: 7680 };

function screenSize(value: string): { width: number; height: number } {
  const [, width, height] = /^(\d{2,5})x(\d{2,5})$/.exec(value.trim()) ?? [];
  const size = { width: Number(width), height: Number(height) };
  const { least, most } = SCREEN_SIDE;
  if (Object.values(size).every((side) => side >= least && side <= most)) return size;
  throw new Error(
    `expected a size such as 1280x800, each side from ${least} to ${most}, got ${JSON.stringify(value)}`,
  );
}

function url(value: string): string {
  if (/^https?:\/\//i.test(value) && URL.canParse(value)) return value;
  throw new Error(`expected an address such as https://agent.example, got ${JSON.stringify(value)}`);
}

function absolute(value: string): string {
  if (isAbsolute(value)) return resolve(value);
  throw new Error(`expected an absolute path, got ${JSON.stringify(value)}`);
}

/** What was given is not repeated: it may hold a password. */
function sqlUrl(value: string): string {
  if (/^(mysql|mariadb):\/\/[^/]+/i.test(value) && URL.canParse(value)) return value;
  throw new Error("expected an address such as mysql://user:password@127.0.0.1:3306/database");
}

/** What was given is not repeated: it may be the private key by mistake. */
function publicKey(value: string): string {
  if (value.trimStart().startsWith("{") ? isKeySet(value) : isPublicKey(value)) return value;
  throw new Error(
    "expected a public key (-----BEGIN PUBLIC KEY----- of Ed25519, P-256 or RSA) or a key set (JWKS)",
  );
}

function isPublicKey(pem: string): boolean {
  if (!pem.trimStart().startsWith("-----BEGIN PUBLIC KEY-----")) return false;
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPublicKey(pem);
    return type === "ed25519" || type === "rsa" || (type === "ec" && details?.namedCurve === "prime256v1");
  } catch {
    return false;
  }
}

function isKeySet(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && ("keys" in value || "kty" in value);
  } catch {
    return false;
  }
}

function secret(value: string): string {
  if (value.length >= 16) return value;
  throw new Error(`expected at least 16 characters, got ${value.length}: a short secret can be guessed`);
}

function setting<K extends keyof Settings>(
  key: K,
  value: string,
  parse: Parser<Settings[K]>,
  fallback: Settings[K] | (() => Settings[K]),
  help: string,
  options: { readonly secret?: boolean; readonly shown?: string } = {},
): Setting<K> {
  const give = typeof fallback === "function" ? fallback : () => fallback;
  return {
    key,
    value,
    parse,
    help,
    fallback: give,
    secret: options.secret ?? false,
    shown: options.shown ?? show(give()),
  };
}

function show(value: unknown): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

const DAY = 24 * 60 * 60 * 1000;

// prettier-ignore
const TABLE = [
  setting("host", "ADDRESS", text, "127.0.0.1", "address to listen on; beyond loopback a credential must be given"),
  setting("hopxPort", "PORT", port, 7777, "port of the HopX VM Agent API; 0 takes a free one"),
  setting("execdPort", "PORT", port, 44_772, "port of the OpenSandbox Execution API; 0 takes a free one"),
  setting("publicUrl", "URL", url, undefined, "address that clients are told to reach the VM Agent API at", { shown: "the address of the request" }),
  setting("allowedHosts", "NAMES", list, [], "further host names that requests may name, separated by commas (against DNS rebinding)"),
  setting("allowedOrigins", "ORIGINS", list, [], "web origins whose pages may call the API, separated by commas"),
  setting("jwtSecret", "SECRET", secret, undefined, "shared secret of HS256 tokens", { secret: true, shown: "made once and kept" }),
  setting("jwtPublicKey", "PEM", publicKey, undefined, "public key (PEM) or key set (JWKS) of EdDSA, ES256 or RS256 tokens", { secret: true }),
  setting("jwtAudience", "TEXT", text, undefined, "audience that tokens must name"),
  setting("jwtRequireSandboxId", "BOOL", boolean, false, "refuse tokens that do not name this sandbox in sandbox_id"),
  setting("apiKey", "KEY", secret, undefined, "API key of the sandbox's own entry (X-API-Key, OPEN-SANDBOX-API-KEY)", { secret: true, shown: "made once and kept" }),
  setting("accessToken", "TOKEN", secret, undefined, "access token of the OpenSandbox Execution API (X-EXECD-ACCESS-TOKEN)", { secret: true, shown: "made once and kept" }),
  setting("sandboxId", "ID", text, undefined, "id of this sandbox", { shown: "made once and kept" }),
  setting("workspace", "DIR", text, "/workspace", "directory that runs work in"),
  setting("dataDir", "DIR", text, defaultDataDirectory, "directory for the daemon's own files"),
  setting("runAs", "USER", text, undefined, "user (name, uid or uid:gid) that code runs as; needs root", { shown: "the daemon's own user" }),
  setting("python", "PATH", text, undefined, "Python interpreter to use", { shown: "the product's own, else python3 in PATH" }),
  setting("containment", "WORD", oneOf("auto", "process_group"), "auto", "how runs are kept together: auto takes cgroups where they may be written"),
  setting("allowedRoots", "DIRS", directories, [], "directories that the file routes may touch, separated by commas", { shown: "everywhere" }),
  setting("maxFileTextBytes", "SIZE", bytes(1024), 128 * 2 ** 20, "largest file that is read or written as JSON; larger ones are uploaded and downloaded"),
  setting("maxUploadBytes", "SIZE", bytes(1024), 64 * 2 ** 30, "largest upload"),
  setting("maxArchiveEntries", "N", integer(1, 100_000_000), 200_000, "most files, directories and links in an archive that is unpacked"),
  setting("maxArchiveBytes", "SIZE", bytes(1024), 16 * 2 ** 30, "largest archive that is unpacked, measured unpacked"),
  setting("maxRuns", "N", integer(1, 100_000), 256, "runs under way at once; more get 429"),
  setting("warmInterpreters", "N", integer(0, 64), 2, "interpreters of each kind (Python, Python with the packages that programs import, Node.js) that wait for a program; 0 keeps none"),
  setting("desktopSize", "SIZE", screenSize, { width: 1280, height: 800 }, "screen of a new desktop session, in pixels", { shown: "1280x800" }),
  setting("desktopAutostart", "BOOL", boolean, false, "start the desktop with the daemon, not with the first call that needs it"),
  setting("backgroundKeepMs", "MS", integer(0, 7 * DAY), 60 * 60 * 1000, "how long a background process that has ended can be asked about"),
  setting("backgroundKeepCount", "N", integer(0, 100_000), 100, "background processes that have ended and can be asked about; of more the oldest are forgotten"),
  setting("backgroundKeepBytes", "SIZE", bytes(0), 256 * 2 ** 20, "output kept of background processes that have ended, in all; of more that of the oldest is forgotten with them"),
  setting("environmentFile", "PATH", absolute, undefined, "file of NAME=value lines that runs may write and every later run gets its variables from", { shown: "EXECD_ENVS where it is set, else one in the data directory" }),
  setting("executionKeepMs", "MS", integer(0, 7 * DAY), DAY, "Execution API: how long a run that has ended can be asked about and told again"),
  setting("executionKeepCount", "N", integer(1, 100_000), 1000, "Execution API: runs that have ended and can be asked about; of more the oldest are forgotten"),
  setting("executionKeepBytes", "SIZE", bytes(0), 64 * 2 ** 20, "Execution API: output kept of runs that have ended, in all; of more that of the oldest is forgotten with them"),
  setting("executionSurviveMs", "MS", integer(0, 24 * DAY), undefined, "Execution API: how long a command or code goes on when its last client has gone", { shown: "to its end" }),
  setting("maxSessions", "N", integer(1, 10_000), 128, "shell sessions at once; more get 429"),
  setting("sessionIdleMs", "MS", integer(1000, 24 * DAY), DAY, "how long a shell session lives without a command"),
  setting("sessionSurviveMs", "MS", integer(0, 24 * DAY), 0, "how long the command of a shell session goes on when its last client has gone"),
  setting("sqlUrl", "URL", sqlUrl, undefined, "MySQL-compatible server that the Execution API's language sql works on, such as mysql://root@127.0.0.1:3306/sandbox", { secret: true }),
  setting("maxBodyBytes", "SIZE", bytes(1024), 16 * 2 ** 20, "largest request body"),
  setting("maxOutputBytes", "SIZE", bytes(1024), 2 * 2 ** 20, "output kept for a JSON answer, each stream; of more the newest is kept and the answer says so"),
  setting("journalBytes", "SIZE", bytes(1024), 64 * 2 ** 20, "output kept of a run, each stream; of more the newest is kept"),
  setting("journalMemoryBytes", "SIZE", bytes(1024), 256 * 2 ** 10, "output of a run kept in memory before it goes to a file"),
  setting("maxTerminals", "N", integer(1, 10_000), 64, "terminal sessions at once; of more the oldest that has ended makes way"),
  setting("terminalIdleMs", "MS", integer(0, 365 * DAY), DAY, "how long a terminal session is kept that nobody is attached to and in which nothing happens; 0 keeps it"),
  setting("terminalReplayBytes", "SIZE", bytes(256 * 1024), 2 ** 20, "output kept of a terminal session for who attaches later or reads slowly"),
  setting("terminalRecordingBytes", "SIZE", bytes(1024), 64 * 2 ** 20, "largest recording of a terminal session"),
  setting("webhookTargets", "KINDS", manyOf("public", "private", "loopback", "link-local", "metadata"), ["public", "private", "loopback"], "addresses that webhooks may lead to, separated by commas: public, private, loopback, link-local, metadata", { shown: "public,private,loopback" }),
  setting("webhookRetryBaseMs", "MS", integer(1, DAY), 1000, "pause before the second attempt of a webhook; it doubles after each, up to five minutes and ten attempts"),
  setting("cacheBytes", "SIZE", bytes(0), 32 * 2 ** 20, "memory for results that are told again instead of running the same code twice; 0 keeps none"),
  setting("cacheTtlSeconds", "SECONDS", integer(1, 30 * 24 * 60 * 60), 60 * 60, "how long a result is kept at most, and unless its request says less"),
  setting("cacheLanguages", "LANGUAGES", manyOf<LanguageId>("python", "javascript", "typescript", "bash", "go", "java"), [], "languages whose results are kept without a request asking for it, separated by commas"),
  setting("maxContexts", "N", integer(1, 10_000), 64, "contexts (kernels with state) at once; more get 429"),
  setting("contextQueueLength", "N", integer(0, 100_000), 64, "runs that may wait for their turn in one context; more get 429"),
  setting("contextIdleMs", "MS", integer(0, 7 * DAY), 0, "how long a context may be idle before it is deleted; 0 keeps it"),
  setting("interruptGraceMs", "MS", integer(1, DAY), 5000, "from an interrupt until a kernel must be idle; then it is restarted and its variables are lost"),
  setting("kernelStartTimeoutMs", "MS", integer(100, DAY), 60_000, "from the start of a kernel until it must answer"),
  setting("maxDisplayBytes", "SIZE", bytes(1024), 16 * 2 ** 20, "largest value that a run in a context shows, such as a picture; more is cut or left out, with a mark"),
  setting("kernelPoolSize", "N", integer(0, 100), 1, "kernels of each language that wait for a context, from the first use of the language on; 0 keeps none"),
  setting("kernelPoolSpareBytes", "SIZE", bytes(0), 512 * 2 ** 20, "memory that must be left; with less no kernels and no interpreters wait"),
  setting("kernelPoolLanguages", "LANGUAGES", manyOf<LanguageId>("python", "javascript", "typescript", "bash", "go", "java"), [], "languages whose kernels wait from the start of the daemon, separated by commas"),
  setting("killGraceMs", "MS", integer(0, 60_000), 2000, "between SIGTERM and SIGKILL after a timeout or a cancel"),
  setting("shutdownGraceMs", "MS", integer(0, DAY), 10_000, "time that running work gets when the daemon is stopped"),
  setting("cancelOnDisconnect", "BOOL", boolean, true, "stop a synchronous run when its client has gone"),
  setting("streamKeepMs", "MS", integer(0, 7 * DAY), 60_000, "how long a run goes on when the last client that may resume it has gone"),
  setting("timelineKeepCount", "N", integer(0, 10_000_000), 20_000, "entries of the record of what was done; of more the oldest are forgotten; 0 records nothing"),
  setting("timelineKeepMs", "MS", integer(1000, 365 * DAY), 7 * DAY, "how long what was done is recorded"),
  setting("logLevel", "WORD", oneOf("trace", "debug", "info", "warn", "error", "fatal", "silent"), "info", "least severe log lines to write"),
  setting("logFormat", "WORD", oneOf("auto", "json", "pretty"), "auto", "auto is pretty on a terminal"),
] as const;

/** All settings, as one list whose entries are alike. */
export const SETTINGS: readonly Setting[] = TABLE;

/** Compiles only when the table has a row for every setting. */
type Missing = Exclude<keyof Settings, (typeof TABLE)[number]["key"]>;
type Complete<T extends never> = T;
export type EverySettingHasARow = Complete<Missing>;

export function findSetting(key: string): Setting | undefined {
  return SETTINGS.find((candidate) => candidate.key === key);
}
