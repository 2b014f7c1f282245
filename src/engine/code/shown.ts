import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { boundBundle } from "../kernels/value-bound.ts";
import type { MimeBundle, RichEvent } from "../run.ts";

/** Where runtimes/python/main.py leaves what a program showed, in the directory of its script. */
const FILE = "shown.json";
/** What runtimes/python/sanderling_show.py keeps at most, told as JSON. */
const LARGEST_FILE_BYTES = 64 * 1024 * 1024;

/**
 * What a program showed beside what it printed: displays in order, and the value of its last line.
 * @param owner The user that the program ran as; a file of anybody else's is none of it.
 * @param valueBytes Bytes of one value; larger ones are cut or left out, with a mark.
 */
export function readShown(directory: string, owner: number, valueBytes: number): RichEvent[] {
  const text = readOwn(join(directory, FILE), owner);
  if (text === undefined) return [];
  try {
    const values = JSON.parse(text) as unknown;
    if (!Array.isArray(values)) return [];
    return values.filter(isShown).map(({ kind, data: whole }, index) => {
      const data = boundBundle(whole, valueBytes);
      return kind === "result" ? { type: "result", data, count: 1, index } : { type: "display", data, index };
    });
  } catch {
    // The program can write there too, and may have.
    return [];
  }
}

/** The directory is the user's: a link could lead elsewhere, and a pipe would never end. */
function readOwn(path: string, owner: number): string | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined; // Most programs show nothing.
  }
  try {
    const { size, uid } = fstatSync(file);
    return uid === owner && size <= LARGEST_FILE_BYTES ? readFileSync(file, "utf8") : undefined;
  } finally {
    closeSync(file);
  }
}

function isShown(value: unknown): value is { kind: "display" | "result"; data: MimeBundle } {
  if (typeof value !== "object" || value === null || !("kind" in value) || !("data" in value)) return false;
  const { kind, data } = value;
  return (kind === "display" || kind === "result") && typeof data === "object" && data !== null;
}
