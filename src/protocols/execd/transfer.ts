import { basename } from "node:path";
import { versionOf } from "../../engine/files/entry.ts";
import { readLinesOf } from "../../engine/files/lines.ts";
import type { OpenEntry } from "../../engine/files/paths.ts";
import { HttpFault } from "../../http/fault.ts";
import { answerFile } from "../../http/file-answer.ts";
import { parseRange, type ByteRange } from "../../http/range.ts";
import type { Route } from "../../http/route.ts";
import { streamOf } from "../../http/stream.ts";
import { route, type ExecdContext } from "./context.ts";
import { emptyReply } from "./empty.ts";
import { ExecdRefusal } from "./errors.ts";
import { needed, refusals, type FileMount } from "./file-view.ts";
import * as shapes from "./files-schema.ts";
import { receiveUploads } from "./upload.ts";

/** Whole files in and out (contracts/opensandbox-execd.md, 9.8 and 9.9). */
export function transferRoutes({ prefix, params, view }: FileMount): Route<ExecdContext>[] {
  const mounted = { credential: "token", params } as const;
  return [
    route({
      ...mounted,
      method: "POST",
      path: `${prefix}/files/upload`,
      summary: "Stream files to the disk; the first metadata part belongs to the first file part, and so on",
      rawBody: { contentType: "multipart/form-data", schema: shapes.uploadForm },
      responses: { 200: { description: "All written; no body" }, ...refusals },
      handle: async ({ params }, request, context) => {
        const files = view(params, context, "write");
        await receiveUploads(files, request.raw, context.maxUploadBytes, (path) => request.concern(path));
        return emptyReply();
      },
    }),

    route({
      ...mounted,
      method: "GET",
      path: `${prefix}/files/download`,
      summary: "A file's bytes, a range of them, or some of its lines",
      query: shapes.downloadQuery,
      responses: {
        200: { description: "The bytes; the lines as text" },
        206: { description: "The range asked for" },
        304: { description: "Not changed" },
        416: { description: "Not a range of this file", schema: shapes.errorBody },
        ...refusals,
      },
      handle: async ({ params, query }, request, context) => {
        const { path, offset, limit } = query;
        const isLines = offset !== undefined || limit !== undefined;
        if (isLines && request.raw.headers.has("range"))
          throw new ExecdRefusal(
            400,
            "INVALID_REQUEST_BODY",
            "offset and limit count lines and cannot be combined with a Range header",
          );
        const { paths, locate } = view(params, context, "read");
        const entry = await paths.openForRead(locate(needed(path, "path")));
        if (isLines) return answerLines(entry, offset ?? 1, limit ?? Number.MAX_SAFE_INTEGER);
        const file = { ...versionOf(entry), handle: entry.handle, name: basename(entry.path) };
        return answerFile(file, request.raw, readRange);
      },
    }),
  ];
}

function answerLines({ handle }: OpenEntry, first: number, count: number): Response {
  const lines = async function* () {
    try {
      yield* readLinesOf(handle, first, count);
    } finally {
      await handle.close();
    }
  };
  return new Response(streamOf(lines()), { headers: { "Content-Type": "text/plain; charset=utf-8" } });
}

/** Of several ranges the first that the file has; what is no range is refused, as the reference server does (9.9). */
function readRange(header: string | null, size: number): ByteRange | undefined {
  if (header === null) return undefined;
  const [, list] = /^\s*bytes\s*=\s*(.+)$/i.exec(header) ?? [];
  const ranges = (list ?? "").split(",").map((range) => `bytes=${range.trim()}`);
  for (const [index, range] of ranges.entries()) {
    const isLast = index === ranges.length - 1;
    try {
      const found = parseRange(range, size);
      if (found) return found;
      throw new HttpFault("range_not_satisfiable", `Not a range of bytes: ${header}`);
    } catch (error) {
      if (isLast) throw error;
    }
  }
  return undefined;
}
