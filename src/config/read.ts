import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { TelemetrySettings } from "../lib/telemetry-settings.ts";
import { ConfigError } from "./error.ts";
import { readTelemetry } from "./telemetry.ts";
import { findSetting, SETTINGS, type Setting, type Settings } from "./settings.ts";

export { ConfigError };

/** Where settings come from, strongest first. */
export interface ConfigSources {
  /** Values of command-line flags by setting key. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Config {
  readonly settings: Settings;
  /** The environment that runs inherit: the daemon's own without a single setting. */
  readonly inheritedEnvironment: Readonly<Record<string, string>>;
  /** From OpenTelemetry's own variables; undefined: nothing is exported. */
  readonly telemetry: TelemetrySettings | undefined;
}

const PREFIX = "SANDERLING_";

/** The environment of this process; nothing else in the project reads it. */
export function processEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}

/**
 * Reads every setting once: flag, then `SANDERLING_X`, then the file named by `SANDERLING_X_FILE` (secrets),
 * then the configuration file, then the default.
 * @throws ConfigError that names the setting, the value's source and what was expected.
 */
export function readConfig({ flags, environment }: ConfigSources): Config {
  refuseUnknown(environment);
  const path = flags["config"] ?? environment[`${PREFIX}CONFIG`];
  const file = path === undefined || path === "" ? {} : readFile(path);
  const values: Record<string, unknown> = {};
  for (const setting of SETTINGS) {
    const found = lookUp(setting, flags, environment, file);
    try {
      values[setting.key] = found === undefined ? setting.fallback() : setting.parse(found.value);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ConfigError(`${found?.source ?? setting.key}: ${reason}`);
    }
  }
  // Each parser gives its own key's type; the table is checked against `Settings` where it is written.
  return {
    settings: Object.freeze(values) as unknown as Settings,
    inheritedEnvironment: withoutSettings(environment),
    telemetry: readTelemetry(environment),
  };
}

interface Found {
  readonly value: string;
  readonly source: string;
}

function lookUp(
  setting: Setting,
  flags: ConfigSources["flags"],
  environment: ConfigSources["environment"],
  file: Readonly<Record<string, string>>,
): Found | undefined {
  const variable = variableName(setting);
  const flag = flags[setting.key];
  if (flag !== undefined) return { value: flag, source: `--${flagName(setting)}` };
  const flagFile = flags[`${setting.key}File`];
  if (flagFile !== undefined) {
    const source = `--${flagName(setting)}-file`;
    return { value: readSecret(flagFile, source), source };
  }
  const value = environment[variable];
  if (value !== undefined && value !== "") return { value, source: variable };
  const valueFile = setting.secret ? environment[`${variable}_FILE`] : undefined;
  if (valueFile !== undefined)
    return { value: readSecret(valueFile, `${variable}_FILE`), source: `${variable}_FILE` };
  const entry = file[setting.key];
  return entry === undefined ? undefined : { value: entry, source: `configuration file, ${setting.key}` };
}

/** For example `hopxPort` is `SANDERLING_HOPX_PORT`. */
export function variableName({ key }: Pick<Setting, "key">): string {
  return PREFIX + key.replace(/[A-Z]/g, "_$&").toUpperCase();
}

/** For example `hopxPort` is `hopx-port`. */
export function flagName({ key }: Pick<Setting, "key">): string {
  return key.replace(/[A-Z]/g, "-$&").toLowerCase();
}

function readSecret(path: string, source: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new ConfigError(
      `${source}: cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function readFile(path: string): Readonly<Record<string, string>> {
  const absolute = resolve(path);
  if (!existsSync(absolute))
    throw new ConfigError(`Cannot read the configuration file ${absolute}: it does not exist`);
  const parsed = parseFile(absolute);
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(parsed)) {
    const key = name.replace(/[-_](\w)/g, (_, letter: string) => letter.toUpperCase());
    if (findSetting(key) === undefined)
      throw new ConfigError(`${absolute}: there is no setting ${JSON.stringify(name)}`);
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean")
      throw new ConfigError(`${absolute}: ${name} must be a text, a number or a boolean`);
    result[key] = String(value);
  }
  return result;
}

function parseFile(path: string): Readonly<Record<string, unknown>> {
  try {
    const text = readFileSync(path, "utf8");
    const parsed: unknown = path.endsWith(".json") ? JSON.parse(text) : Bun.TOML.parse(text);
    if (typeof parsed === "object" && parsed !== null) return parsed as Record<string, unknown>;
    throw new Error("expected an object with one entry for each setting");
  } catch (error) {
    throw new ConfigError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Variables of ours that are no settings: made by the daemon for its runs, or only used by the launcher. */
/** The last three are the command line's own (config/client.ts). */
const NO_SETTINGS = ["CONFIG", "RUN_ID", "DEFAULT_DATA_DIR", "URL", "TOKEN", "TOKEN_FILE"].map(
  (name) => PREFIX + name,
);

/** A misspelt setting that is silently ignored would leave its author believing that it is in force. */
function refuseUnknown(environment: ConfigSources["environment"]): void {
  for (const name of Object.keys(environment)) {
    if (!name.startsWith(PREFIX) || NO_SETTINGS.includes(name)) continue;
    const known = SETTINGS.some((setting) => {
      const variable = variableName(setting);
      return name === variable || (setting.secret && name === `${variable}_FILE`);
    });
    if (!known) throw new ConfigError(`${name}: there is no such setting (see: sanderling serve --help)`);
  }
}

function withoutSettings(environment: ConfigSources["environment"]): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    // OTEL_* are the daemon's own, may hold credentials, and would make programs report under its name.
    const isOwn = name.startsWith(PREFIX) || name.startsWith("OTEL_");
    if (value !== undefined && !isOwn) result[name] = value;
  }
  return result;
}
