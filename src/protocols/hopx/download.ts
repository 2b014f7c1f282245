import { basename } from "node:path";
import { versionOf } from "../../engine/files/entry.ts";
import type { OpenEntry } from "../../engine/files/paths.ts";
import { answerFile } from "../../http/file-answer.ts";

/** The bytes of an open file, or the range asked for. Takes the file over and closes it. */
export async function answerDownload(entry: OpenEntry, request: Request): Promise<Response> {
  return answerFile({ ...versionOf(entry), handle: entry.handle, name: basename(entry.path) }, request);
}
