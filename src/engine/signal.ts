import { constants } from "node:os";
import type { SignalName } from "./run.ts";

const NAMES = Object.keys(constants.signals) as SignalName[];

/** The signal of a name, with or without SIG and in any case, or of a number. */
export function signalNamed(text: string): SignalName | undefined {
  const word = text.trim().toUpperCase();
  if (/^\d+$/.test(word)) return NAMES.find((name) => constants.signals[name] === Number(word));
  return NAMES.find((name) => name === word || name === `SIG${word}`);
}
