import { Option, type Command } from "commander";
import { flagName, processEnvironment, readConfig, variableName, type Config } from "../config/read.ts";
import { SETTINGS, type Setting } from "../config/settings.ts";

/**
 * Gives a command one flag for each setting (or for those named), described from the one table. A secret's
 * flag names a file that holds it: everybody on a machine can read command lines.
 */
export function addSettings(command: Command, keys?: readonly Setting["key"][]): Command {
  for (const setting of SETTINGS) {
    if (keys !== undefined && !keys.includes(setting.key)) continue;
    const variable = variableName(setting);
    const flag = setting.secret
      ? `--${flagName(setting)}-file <FILE>`
      : `--${flagName(setting)} <${setting.value}>`;
    const source = setting.secret ? `${variable} or ${variable}_FILE` : variable;
    const help = `${setting.help}${setting.secret ? ", in a file" : ""} [${source}; default: ${setting.shown}]`;
    command.addOption(new Option(flag, help));
  }
  return command.addOption(
    new Option("--config <FILE>", "configuration file, TOML or JSON [SANDERLING_CONFIG]"),
  );
}

/**
 * The settings for a command's flags, over the environment and the configuration file.
 * @throws ConfigError
 */
export function configOf(command: Command): Config {
  // Every flag made above takes one value, so commander gives texts.
  return readConfig({
    flags: command.opts<Record<string, string | undefined>>(),
    environment: processEnvironment(),
  });
}
