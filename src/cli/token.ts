import { Command, InvalidArgumentError, Option } from "commander";
import { readCredentials } from "../credentials.ts";
import { createTokens, TOKEN_TTL_SECONDS } from "../daemon.ts";
import { print } from "./output.ts";
import { addSettings, configOf } from "./settings-flags.ts";

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** `sanderling token`: a token for the VM Agent API, from the secret that a daemon with these settings has. */
export function tokenCommand(): Command {
  const command = new Command("token")
    .description("print a token for the VM Agent API (a JWT signed with the shared secret)")
    .addOption(
      new Option("--ttl <DURATION>", "how long it is good for, for example 30m, 12h or 7d")
        .argParser(parseDuration)
        .default(TOKEN_TTL_SECONDS, "7d"),
    )
    .option("--json", "print token, sandbox id and expiry as JSON");
  addSettings(command, ["sandboxId", "jwtSecret", "jwtAudience", "dataDir"]);
  return command.action(async (options: { ttl: number; json?: boolean }) => {
    const { settings } = configOf(command);
    const { jwtSecret: secret, sandboxId } = readCredentials(settings);
    const { token, expiresAt } = await createTokens(settings, { secret, sandboxId }).mint(options.ttl);
    const facts = { token, sandbox_id: sandboxId, expires_at: expiresAt.toISOString() };
    print(options.json === true ? JSON.stringify(facts) : token);
  });
}

/** @throws InvalidArgumentError, which commander shows as a usage error. */
function parseDuration(text: string): number {
  const [, number, unit = "s"] = /^(\d+)([smhd])?$/.exec(text) ?? [];
  const seconds = Number(number) * (UNITS[unit] ?? 1);
  if (number !== undefined && seconds > 0 && Number.isSafeInteger(seconds)) return seconds;
  throw new InvalidArgumentError("Expected a duration such as 90s, 30m, 12h or 7d.");
}
