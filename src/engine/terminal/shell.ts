import type { TerminalRequest } from "./terminals.ts";

export interface ShellOptions {
  /** Run instead of reading what is typed. */
  readonly command?: string | undefined;
  /** `plain`: no start-up files; `interactive`: those of a shell in a terminal; `login`: those of a login too. */
  readonly start: "plain" | "interactive" | "login";
}

/**
 * The command line of a shell for people: bash, or the `sh` that every machine has.
 * @param find Where a program is that runs may start.
 */
export function shellCommand(
  find: (name: string) => string | undefined,
  { command, start }: ShellOptions,
): TerminalRequest["argv"] {
  const rest = command === undefined ? [] : ["-c", command];
  if (find("bash") === undefined) return ["sh", ...(start === "login" ? ["-l"] : []), ...rest];
  const options = { plain: ["--norc", "--noprofile"], interactive: [], login: ["--login"] };
  return ["bash", ...options[start], ...rest];
}
