import type { Config } from "../config/read.ts";
import { LANGUAGES, type Language } from "../engine/code/languages.ts";
import { findProgram } from "../engine/code/script.ts";
import { findUser, type RunUser } from "../engine/user.ts";
import { runEnvironment } from "./context.ts";
import { describe, finding, type Finding } from "./finding.ts";
import { askVersion } from "./version.ts";

/** Programs that are no languages, with what they are good for. */
const TOOLS = [
  { name: "git", package: "git", purpose: "version control in the workspace" },
  { name: "rg", package: "ripgrep", purpose: "fast search in files" },
  { name: "bwrap", package: "bubblewrap", purpose: "isolated sessions" },
] as const;

export function languages(config: Config): Promise<Finding>[] {
  return LANGUAGES.map((language) => examineLanguage(language, config));
}

async function examineLanguage(language: Language, { settings, ...config }: Config): Promise<Finding> {
  const fix = `sanderling setup ${language.setup}`;
  const python = settings.python === undefined ? {} : { python: settings.python };
  return ask(language.title, language.version, { settings, ...config }, fix, (env, user) =>
    findProgram(language, env, { user, programs: python }),
  );
}

export function tools(config: Config): Promise<Finding>[] {
  return TOOLS.map(({ name, package: from, purpose }) =>
    ask(
      `${name} (${purpose})`,
      ["--version"],
      config,
      `install the package ${from}`,
      ({ PATH }) => Bun.which(name, { PATH: PATH ?? "" }) ?? undefined,
    ),
  );
}

/** Finds a program as a run would, and asks it as the user of the runs. */
async function ask(
  capability: string,
  version: readonly string[],
  { settings, inheritedEnvironment: environment }: Config,
  fix: string,
  find: (env: ReturnType<typeof runEnvironment>, user: RunUser | undefined) => string | undefined,
): Promise<Finding> {
  try {
    const user = settings.runAs === undefined ? undefined : findUser(settings.runAs);
    const env = runEnvironment({ dataDirectory: settings.dataDir, user, environment });
    const program = find(env, user);
    if (program === undefined) return finding(capability, "missing", "not found in PATH", { fix });
    const answer = await askVersion([program, ...version], env, user);
    if (answer.state === "answered") return finding(capability, "ok", program, { version: answer.version });
    const who = user === undefined ? "" : ` to ${user.name}`;
    return finding(capability, "missing", `${program} does not answer${who}: ${answer.problem}`, { fix });
  } catch (error) {
    return finding(capability, "missing", describe(error), { fix });
  }
}
