import type { Output } from "../setup/context.ts";

/** One line, or several, on stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One line, or several, on stderr. */
export function printError(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** This process's own terminal or pipe. */
export const TERMINAL: Output = { print, isTerminal: process.stdout.isTTY };
