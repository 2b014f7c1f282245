import type { Output } from "../setup/context.ts";

/** One line, or several, on stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One line, or several, on stderr. */
export function printError(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Bytes as they are; settles when they have been handed on, so that a slow reader slows the sender. */
export function writeBytes(stream: "stdout" | "stderr", bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const output = process[stream];
    // Told by the promise; an event that nobody takes would end the process before it has tidied up.
    if (output.listenerCount("error") === 0) output.on("error", () => undefined);
    output.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

export function isErrorTerminal(): boolean {
  return process.stderr.isTTY;
}

/** Rows and columns of the terminal; undefined when stdout is none. */
export function terminalSize(): { cols: number; rows: number } | undefined {
  return process.stdout.isTTY ? { cols: process.stdout.columns, rows: process.stdout.rows } : undefined;
}

/** Told when the terminal's size changes. @returns Stops that. */
export function onResize(listener: () => void): () => void {
  process.stdout.on("resize", listener);
  return () => process.stdout.off("resize", listener);
}

/** This process's own terminal or pipe. */
export const TERMINAL: Output = { print, isTerminal: process.stdout.isTTY };
