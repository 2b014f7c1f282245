import { chmodSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Environment } from "../engine/environment.ts";
import type { RunUser } from "../engine/user.ts";
import type { Output, SetupContext } from "./context.ts";
import type { Interpreter } from "./interpreters.ts";
import { giveTo } from "./ownership.ts";
import { writeStamp } from "./stamp.ts";
import { runTool, type ToolResult } from "./tool.ts";
import { askVersion } from "./version.ts";

/**
 * Makes a virtual environment in an empty directory and installs packages there. Says what went wrong, or
 * undefined. As root it starts nothing in the environment after that was given away.
 */
export async function fillEnvironment(
  environment: string,
  interpreter: Interpreter,
  requirements: string,
  context: SetupContext,
): Promise<string | undefined> {
  const { output, user } = context;
  const tool = (argv: readonly string[]) =>
    runTool(argv, {
      env: pipEnvironment(context.environment),
      output: output.isTerminal ? "terminal" : "captured",
    });
  output.print(
    `==> Making an environment with Python ${interpreter.version.join(".")} (${interpreter.path})`,
  );
  const made = await tool([interpreter.path, "-I", "-m", "venv", environment]);
  if (!made.succeeded) return explain("cannot make a virtual environment", made, output);
  output.print("==> Installing the pinned packages");
  const list = join(environment, "requirements.txt");
  writeFileSync(list, requirements);
  const installed = await tool([...pip(environment, output), "--requirement", list]);
  if (!installed.succeeded)
    return explain("cannot install the packages (is the package index reachable?)", installed, output);
  const refused = user && (await handOver(environment, user, context));
  if (refused !== undefined) return refused;
  await writeStamp(environment, requirements, interpreter);
  return undefined;
}

/** Runs install further packages, so the environment becomes the property of their user. */
async function handOver(
  environment: string,
  user: RunUser,
  { output, dataDirectory }: SetupContext,
): Promise<string | undefined> {
  output.print(`==> Giving it to ${user.name}`);
  giveTo(environment, user);
  // Others may pass through the directories above, not list them.
  for (const above of [dataDirectory, dirname(environment)]) chmodSync(above, statSync(above).mode | 0o111);
  const python = join(environment, "bin/python");
  const answer = await askVersion([python, "--version"], { PATH: "/usr/bin:/bin" }, user);
  return answer.state === "answered" ? undefined : `${user.name} cannot start ${python}: ${answer.problem}`;
}

function pip(environment: string, { isTerminal }: Output): string[] {
  const options = ["--no-input", "--disable-pip-version-check", "--only-binary", ":all:"];
  if (!isTerminal) options.push("--quiet");
  return [join(environment, "bin/python"), "-I", "-m", "pip", "install", ...options];
}

/** Without what would make pip install elsewhere than into the environment. */
function pipEnvironment(environment: Environment): Environment {
  const elsewhere = ["PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT", "PIP_DRY_RUN", "VIRTUAL_ENV"];
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !elsewhere.includes(name)));
}

/** In a terminal the tool has already said why; otherwise its last words are shown. */
function explain(what: string, { ending, stdout, stderr }: ToolResult, output: Output): string {
  const words = (stderr || stdout).trim().split("\n").slice(-4).join("\n");
  if (words !== "") output.print(words);
  return `${what}: ${ending}`;
}
