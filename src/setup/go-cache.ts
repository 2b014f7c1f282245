import { findLanguage } from "../engine/code/languages.ts";
import { findProgram } from "../engine/code/script.ts";
import { runEnvironment, type SetupContext } from "./context.ts";
import { buildGoKernel } from "./go-kernel.ts";
import { setUpPackages } from "./packages.ts";
import { failed, type PartResult } from "./result.ts";
import { runTool } from "./tool.ts";

/** Go, with its standard library compiled once, so that the first program does not wait for that. */
export async function setUpGo(packages: readonly string[], context: SetupContext): Promise<PartResult> {
  const result = await setUpPackages("go", packages, context);
  if (result.state === "failed") return result;
  const env = runEnvironment(context);
  const go = findLanguage("go");
  const program = go && findProgram(go, env, { user: undefined, programs: {} });
  if (program === undefined) return result;
  const problem = await buildGoKernel(program, context);
  if (problem !== undefined) return failed(problem, "try again with: sanderling setup go");
  context.output.print("==> go build std (fills the build cache of the user that code runs as)");
  const { succeeded, ending } = await runTool([program, "build", "std"], {
    env,
    user: context.user,
    output: context.output.isTerminal ? "terminal" : "captured",
  });
  return succeeded
    ? { ...result, detail: `${result.detail}; build cache filled` }
    : failed(`${result.detail}; cannot fill the build cache: ${ending}`, "look at: go build std");
}
