import type { Output } from "../setup/context.ts";

/** The first line that could not be written, and everything printed so far. */
let failure: Error | undefined;
let printing: Promise<unknown> = Promise.resolve();

/** One line, or several, on stdout. @throws what an earlier one could not be written for. */
export function print(text: string): void {
  printText(`${text}\n`);
}

/** Text without an end of line; else as `print`. */
export function printText(text: string): void {
  if (failure) throw failure;
  const written = writeBytes("stdout", new TextEncoder().encode(text)).catch((error: unknown) => {
    failure ??= error instanceof Error ? error : new Error(String(error));
  });
  printing = Promise.all([printing, written]);
}

/** Settles when everything printed has been handed on. @throws Error when something could not be. */
export async function printed(): Promise<void> {
  await printing;
  if (failure) throw failure;
}

/** One line, or several, on stderr. */
export function printError(text: string): void {
  printErrorText(`${text}\n`);
}

/** Where not even this can be told there is nobody left to tell. */
export function printErrorText(text: string): void {
  void writeBytes("stderr", new TextEncoder().encode(text)).catch(() => undefined);
}

/**
 * Bytes as they are; settles when they have been handed on, so that a slow reader slows the sender.
 * @throws Error that says where to, with the cause's code.
 */
export function writeBytes(stream: "stdout" | "stderr", bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const output = process[stream];
    // Told by the promise; an event that nobody takes would end the process before it has tidied up.
    if (output.listenerCount("error") === 0) output.on("error", () => undefined);
    output.write(bytes, (error) => (error ? reject(new OutputError(stream, error)) : resolve()));
  });
}

/** What was to be shown could not be. */
export class OutputError extends Error {
  override readonly name = "OutputError";
  /** Whoever read our output has had enough, as `head` does. */
  readonly isBrokenPipe: boolean;

  constructor(stream: string, cause: Error) {
    super(`Cannot write to ${stream}: ${cause.message}`, { cause });
    this.isBrokenPipe = "code" in cause && cause.code === "EPIPE";
  }
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
