import { renameSync } from "node:fs";
import { EngineError } from "./error.ts";
import { readPrivateFile, writePrivateFile } from "./private-file.ts";
import { checkChanges, NO_CHANGES, type VariableChanges } from "./variable-changes.ts";

interface VariablesFile {
  readonly path: string;
  readonly onNotice: (notice: string, details?: Readonly<Record<string, unknown>>) => void;
}

/** @throws EngineError `unavailable`; the file is as it was then. */
export async function writeChanges(path: string, { set, removed }: VariableChanges): Promise<void> {
  const text = JSON.stringify({ version: 1, set: Object.fromEntries(set), removed: [...removed] });
  try {
    await writePrivateFile(path, text);
  } catch (cause) {
    throw new EngineError("unavailable", `Cannot keep the environment variables: ${String(cause)}`, {
      cause,
    });
  }
}

/**
 * A damaged file is set aside rather than lost, and the sandbox starts without it.
 * @throws EngineError `unavailable` when the file is there and cannot be read.
 */
export function readChanges({ path, onNotice }: VariablesFile): VariableChanges {
  try {
    const text = readPrivateFile(path);
    if (text === undefined) return NO_CHANGES;
    const changes = parse(text);
    if (changes) return changes;
    const aside = `${path}.damaged`;
    renameSync(path, aside);
    onNotice("the file of environment variables is damaged; set aside and started without", { aside });
    return NO_CHANGES;
  } catch (cause) {
    throw new EngineError("unavailable", `Cannot read the environment variables: ${String(cause)}`, {
      cause,
    });
  }
}

/** Undefined when the text is not what `writeChanges` writes. */
function parse(text: string): VariableChanges | undefined {
  try {
    const value = JSON.parse(text) as { version?: unknown; set?: unknown; removed?: unknown } | null;
    if (value?.version !== 1 || !isTextMap(value.set) || !isTextList(value.removed)) return undefined;
    const changes = { set: new Map(Object.entries(value.set)), removed: new Set(value.removed) };
    checkChanges(changes);
    return changes;
  } catch {
    return undefined;
  }
}

function isTextMap(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null && isTextList(Object.values(value));
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
