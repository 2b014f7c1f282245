import { LANGUAGES } from "../engine/code/languages.ts";
import { findProgram } from "../engine/code/script.ts";
import { runEnvironment, type SetupContext } from "./context.ts";
import { failed, type PartResult } from "./result.ts";
import { runTool } from "./tool.ts";
import { askVersion } from "./version.ts";

/**
 * Brings a language that the machine's own package manager has, unless it is there already.
 * @param part The `setup` of the language's row.
 */
export async function setUpPackages(
  part: string,
  packages: readonly string[],
  context: SetupContext,
): Promise<PartResult> {
  const present = await findPart(part, context);
  if (present !== undefined)
    return { state: "ready", changed: false, detail: `${present}: there already, nothing to do` };
  const problem = await installPackages(packages, context);
  if (problem) return problem;
  const added = await findPart(part, context);
  return added === undefined
    ? failed(`${packages.join(", ")} installed, but the program does not answer`, "see: sanderling doctor")
    : { state: "ready", changed: true, detail: added };
}

/** Installs packages with apt-get, showing what it does. @returns Why it could not, with what to do about it. */
export async function installPackages(
  packages: readonly string[],
  context: SetupContext,
): Promise<PartResult | undefined> {
  const apt = Bun.which("apt-get", { PATH: context.environment["PATH"] ?? "" });
  const command = `apt-get install --no-install-recommends ${packages.join(" ")}`;
  if (apt === null)
    return failed("this machine has no apt-get", `install ${packages.join(", ")} with its package manager`);
  if (process.getuid?.() !== 0) return failed("only root can install packages", `as root: ${command}`);
  const problem = await install(apt, packages, context);
  return problem === undefined ? undefined : failed(problem, `look at: ${command}`);
}

/** The version and path of a part's program; undefined when there is none that answers. */
async function findPart(part: string, context: SetupContext): Promise<string | undefined> {
  const env = runEnvironment(context);
  const language = LANGUAGES.find(({ setup }) => setup === part);
  if (language === undefined) return undefined;
  const program = findProgram(language, env, { user: context.user, programs: {} });
  if (program === undefined) return undefined;
  const answer = await askVersion([program, ...language.version], env, context.user);
  return answer.state === "answered" ? `${answer.version} (${program})` : undefined;
}

async function install(
  apt: string,
  packages: readonly string[],
  { environment, output }: SetupContext,
): Promise<string | undefined> {
  const steps = [["update"], ["install", "-y", "--no-install-recommends", ...packages]];
  for (const step of steps) {
    output.print(`==> apt-get ${step.join(" ")}`);
    const env = { ...environment, DEBIAN_FRONTEND: "noninteractive" };
    const { succeeded, ending } = await runTool([apt, ...step], { env, output: "terminal" });
    if (!succeeded) return `apt-get ${step[0] ?? ""} failed: ${ending}`;
  }
  return undefined;
}
