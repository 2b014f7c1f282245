import type { z } from "zod";
import type { FileVersion } from "../../engine/files/entry.ts";
import type { PathRules } from "../../engine/files/paths.ts";
import type { StagedFile } from "../../engine/files/staged-file.ts";
import { stageContent, writeStaged, type WriteRequest } from "../../engine/files/write.ts";
import { readChunks } from "../../http/chunks.ts";
import { describeIssues, HttpFault } from "../../http/fault.ts";
import { readParts, readText, type Part } from "../../http/multipart.ts";
import { uploadFields } from "./files-schema.ts";
import { toWriteRequest } from "./write-request.ts";

const MOST_FIELD_BYTES = 8 * 1024;
const MOST_FIELDS = 16;

/**
 * Streams the file of a form to the disk, and gives it its place when the form is whole. Clients send the path
 * before the file or after it; after it, the bytes wait in the workspace's file system.
 */
export async function receiveUpload(
  paths: PathRules,
  request: Request,
  maxBytes: number,
): Promise<FileVersion> {
  const parts = readParts(request.headers.get("content-type"), readChunks(request, maxBytes));
  const fields: Record<string, string> = {};
  let staged: StagedFile | undefined;
  try {
    for await (const part of parts) {
      if (!isFile(part)) await readField(part, fields);
      else if (staged) throw invalid("it has more than one file");
      else staged = await stageContent(paths, fields["path"], part.content);
    }
    if (staged === undefined) throw invalid("it has no file");
    return await writeStaged(paths, describeWrite(fields, request), staged);
  } finally {
    await staged?.[Symbol.asyncDispose]();
  }
}

function isFile({ name, filename }: Part): boolean {
  return filename !== undefined || name === "file";
}

async function readField(part: Part, fields: Record<string, string>): Promise<void> {
  if (Object.keys(fields).length >= MOST_FIELDS) throw invalid(`it has more than ${MOST_FIELDS} fields`);
  fields[part.name] = await readText(part, MOST_FIELD_BYTES);
}

function describeWrite(fields: Readonly<Record<string, string>>, { headers }: Request): WriteRequest {
  const result = uploadFields.safeParse(fields);
  if (!result.success) throw new HttpFault("invalid_input", describeIssues(result.error));
  const given: z.output<typeof uploadFields> = result.data;
  return toWriteRequest(given, headers);
}

function invalid(reason: string): HttpFault {
  return new HttpFault("invalid_multipart", `The request body is not a valid form: ${reason}`);
}
