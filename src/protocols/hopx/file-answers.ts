import type { FileVersion } from "../../engine/files/entry.ts";
import { errorBody } from "./schema.ts";

/** What every route of files may refuse. */
export const refusals = {
  400: { description: "Not a path that can be used, or a special file", schema: errorBody },
  401: { description: "Token missing, wrong or expired", schema: errorBody },
  403: { description: "Outside the allowed roots, or the system refuses", schema: errorBody },
  404: { description: "There is nothing at this path", schema: errorBody },
} as const;

export const writeRefusals = {
  ...refusals,
  409: { description: "The file is there, and overwrite is false", schema: errorBody },
  412: { description: "If-Match or If-None-Match does not hold", schema: errorBody },
  413: { description: "Too large, or the disk is full", schema: errorBody },
} as const;

export function answerWritten(written: FileVersion, message: string) {
  return {
    status: 200,
    headers: { ETag: written.etag },
    body: { ...describeVersion(written), ...done(message) },
  };
}

export function done(message: string) {
  return { success: true, message, timestamp: new Date().toISOString() };
}

export function describeVersion({ path, size, etag, modified }: FileVersion) {
  return { path, size, etag, modified: modified.toISOString() };
}
