import type { Environment } from "../engine/environment.ts";
import type { RunUser } from "../engine/user.ts";
import { runTool } from "./tool.ts";

const DEADLINE_MS = 5000;

export type VersionAnswer =
  | { readonly state: "answered"; readonly version: string }
  | { readonly state: "silent"; readonly problem: string };

/**
 * Asks a program for its version, as the user whose runs would start it: root must not start what that user
 * may have put there, and root's answer would not tell whether the user can.
 */
export async function askVersion(
  argv: readonly string[],
  env: Environment,
  user: RunUser | undefined,
): Promise<VersionAnswer> {
  const answer = await runTool(argv, { env, user, output: "captured", deadlineMs: DEADLINE_MS });
  if (!answer.succeeded) return { state: "silent", problem: answer.ending };
  const said = `${answer.stdout}\n${answer.stderr}`;
  const version = /\d+(\.\d+)+[\w.+-]*/.exec(said)?.[0];
  return { state: "answered", version: version ?? said.trim().split("\n")[0] ?? "" };
}
