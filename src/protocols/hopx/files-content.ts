import { EngineError } from "../../engine/error.ts";
import { readFile } from "../../engine/files/read.ts";
import { writeFile } from "../../engine/files/write.ts";
import { route } from "./context.ts";
import { answerDownload } from "./download.ts";
import { answerWritten, describeVersion, refusals, writeRefusals } from "./file-answers.ts";
import * as shapes from "./files-schema.ts";
import { errorBody } from "./schema.ts";
import { receiveUpload } from "./upload.ts";
import { toWriteRequest } from "./write-request.ts";

/** What is in files, as text in JSON or as bytes (contracts/hopx-agent.md, 8.1 to 8.3). */
export const fileContentRoutes = [
  route({
    method: "GET",
    path: "/files/read",
    credential: "token",
    summary: "Read a file, or some of its lines, as JSON",
    query: shapes.readQuery,
    responses: { 200: { description: "Its content", schema: shapes.fileContent }, ...refusals },
    handle: async ({ query }, _, { engine, maxFileTextBytes: maxBytes }) => {
      const { start_line: first = 1, end_line: last } = query;
      if (last !== undefined && last < first)
        throw new EngineError("invalid", `Cannot read the lines ${first} to ${last}`);
      const isRange = query.start_line !== undefined || last !== undefined;
      const file = await readFile(engine.paths, query.path, {
        range: isRange ? { first, last } : undefined,
        maxBytes,
      });
      const lines = file.lines && {
        start_line: file.lines.first,
        end_line: file.lines.last,
        has_more: file.lines.hasMore,
      };
      const content = asText(file.bytes, query.encoding);
      return {
        status: 200,
        headers: { ETag: file.etag },
        body: { ...describeVersion(file), content, encoding: query.encoding, ...lines },
      };
    },
  }),

  route({
    method: "GET",
    path: "/files/download",
    credential: "token",
    summary: "Stream a file's bytes; Range, If-Range and If-None-Match are heeded",
    query: shapes.pathQuery,
    responses: {
      200: { description: "The bytes" },
      206: { description: "The range asked for" },
      304: { description: "Not changed since the ETag given" },
      416: { description: "The range is behind the end", schema: errorBody },
      ...refusals,
    },
    handle: async ({ query }, request, { engine }) =>
      answerDownload(await engine.paths.openForRead(query.path), request.raw),
  }),

  route({
    method: "POST",
    path: "/files/write",
    credential: "token",
    summary: "Write a whole file, or nothing of it; parents are made",
    body: shapes.writeRequest,
    bodyLimit: ({ maxFileTextBytes }) => maxFileTextBytes,
    responses: { 200: { description: "Written", schema: shapes.fileWritten }, ...writeRefusals },
    handle: async ({ body }, request, { engine }) => {
      const content = decode(body.content, body.encoding ?? "utf-8");
      const written = await writeFile(engine.paths, toWriteRequest(body, request.raw.headers), [content]);
      return answerWritten(written, "File written successfully");
    },
  }),

  route({
    method: "POST",
    path: "/files/upload",
    credential: "token",
    summary: "Stream a file to the disk; path is its full target path",
    rawBody: { contentType: "multipart/form-data", schema: shapes.uploadForm },
    responses: { 200: { description: "Written", schema: shapes.fileWritten }, ...writeRefusals },
    handle: async (_, request, { engine, maxUploadBytes }) => {
      const written = await receiveUpload(engine.paths, request.raw, maxUploadBytes);
      return answerWritten(written, "File uploaded successfully");
    },
  }),
];

type TextEncoding = "utf-8" | "base64";

function asText(bytes: Uint8Array, encoding: TextEncoding): string {
  if (encoding === "base64") return Buffer.from(bytes).toString("base64");
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function decode(content: string, encoding: TextEncoding): Uint8Array {
  if (encoding === "utf-8") return new TextEncoder().encode(content);
  const compact = content.replace(/[\r\n]/g, "");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(compact) || compact.replace(/=+$/, "").length % 4 === 1) {
    throw new EngineError("invalid", "Cannot decode content: it is not valid base64");
  }
  return Buffer.from(compact, "base64");
}
