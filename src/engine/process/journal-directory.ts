import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error.ts";
import type { EngineOptions } from "../options.ts";
import type { JournalOptions } from "./journal.ts";

/**
 * Makes the data directory, with the mode that it must have, and in it the one for journals.
 * @throws EngineError `unavailable`.
 */
export function openJournals({
  dataDirectory,
  journalMemoryBytes,
  journalBytes,
  onNotice,
}: Pick<
  EngineOptions,
  "dataDirectory" | "journalMemoryBytes" | "journalBytes" | "onNotice"
>): JournalOptions {
  const directory = join(dataDirectory, "private", "journals");
  try {
    // Open to all by itself: users that run code find the product's own Python there.
    mkdirSync(dataDirectory, { recursive: true, mode: 0o755 });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new EngineError("unavailable", `Cannot use ${dataDirectory} for data: ${String(cause)}`, { cause });
  }
  return {
    directory,
    memoryBytes: journalMemoryBytes,
    retainBytes: journalBytes,
    onFault: (cause) =>
      onNotice("cannot write a journal file; its oldest output is dropped", { cause: String(cause) }),
  };
}
