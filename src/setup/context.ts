import type { Config } from "../config/read.ts";
import { ownPython } from "../config/directories.ts";
import { baseEnvironment, type Environment } from "../engine/environment.ts";
import { EngineError } from "../engine/error.ts";
import { findUser, type RunUser } from "../engine/user.ts";

/** Where the set-up says what it does. */
export interface Output {
  /** One line, or several. */
  print(text: string): void;
  /** Whether a person is watching, so that programs may draw their own progress there. */
  readonly isTerminal: boolean;
}

/** What the set-up of a part works with. */
export interface SetupContext {
  readonly dataDirectory: string;
  /** The user that code runs as, when one was given. */
  readonly user: RunUser | undefined;
  /** The environment without the daemon's settings. */
  readonly environment: Environment;
  readonly output: Output;
}

/** @throws EngineError when there is no such user to run as, or we may not. */
export function setupContext({ settings, inheritedEnvironment }: Config, output: Output): SetupContext {
  const user = settings.runAs === undefined ? undefined : findUser(settings.runAs);
  if (user && process.getuid?.() !== 0)
    throw new EngineError("denied", `Cannot set up for ${user.name}: only root can`);
  return { dataDirectory: settings.dataDir, user, environment: inheritedEnvironment, output };
}

/** The variables that runs start with, near enough to find and ask the programs they would use. */
export function runEnvironment(
  context: Pick<SetupContext, "dataDirectory" | "user" | "environment">,
): Environment {
  const { environment } = context;
  const user = context.user ?? findUser(String(process.getuid?.() ?? 0));
  const own = `${ownPython(context.dataDirectory)}/bin`;
  const base = baseEnvironment(environment, user, [own]);
  return context.user ? base : { ...base, HOME: environment["HOME"] ?? user.home };
}
