/** A setting that cannot be used as it was given. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}
