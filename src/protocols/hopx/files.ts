import { EngineError } from "../../engine/error.ts";
import { makeDirectory } from "../../engine/files/directories.ts";
import type { Entry, FileVersion } from "../../engine/files/entry.ts";
import { findEntry, listDirectory } from "../../engine/files/list.ts";
import { readFile } from "../../engine/files/read.ts";
import { removeEntry } from "../../engine/files/remove.ts";
import { writeFile } from "../../engine/files/write.ts";
import { route } from "./context.ts";
import { answerDownload } from "./download.ts";
import * as shapes from "./files-schema.ts";
import { errorBody } from "./schema.ts";
import { receiveUpload } from "./upload.ts";
import { toWriteRequest } from "./write-request.ts";

const refusals = {
  400: { description: "Not a path that can be used, or a special file", schema: errorBody },
  401: { description: "Token missing, wrong or expired", schema: errorBody },
  403: { description: "Outside the allowed roots, or the system refuses", schema: errorBody },
  404: { description: "There is nothing at this path", schema: errorBody },
} as const;

const writeRefusals = {
  ...refusals,
  409: { description: "The file is there, and overwrite is false", schema: errorBody },
  412: { description: "If-Match or If-None-Match does not hold", schema: errorBody },
  413: { description: "Too large, or the disk is full", schema: errorBody },
} as const;

/** Files of the sandbox (contracts/hopx-agent.md, 8). */
export const fileRoutes = [
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

  route({
    method: "GET",
    path: "/files/list",
    credential: "token",
    summary: "List a directory, or a whole tree",
    query: shapes.listQuery,
    responses: { 200: { description: "Its entries", schema: shapes.fileList }, ...refusals },
    handle: async ({ query }, _, { engine }) => {
      const { path, entries, truncated } = await listDirectory(engine.paths, {
        ...query,
        depth: shapes.depthOf(query),
      });
      const files = entries.map(describeEntry);
      return { status: 200, body: { path, files, count: files.length, truncated } };
    },
  }),

  route({
    method: "GET",
    path: "/files/exists",
    credential: "token",
    summary: "Whether there is anything at a path",
    query: shapes.pathQuery,
    responses: {
      200: { description: "Yes or no", schema: shapes.fileExists },
      400: refusals[400],
      403: refusals[403],
    },
    handle: async ({ query }, _, { engine }) => {
      const found = await findEntry(engine.paths, query.path);
      const path = engine.paths.resolve(query.path);
      return { status: 200, body: { path, exists: found !== undefined, ...(found && { type: found.type }) } };
    },
  }),

  route({
    method: "POST",
    path: "/files/mkdir",
    credential: "token",
    summary: "Make a directory, with its parents; one that is there is fine",
    body: shapes.mkdirRequest,
    responses: { 200: { description: "It is there", schema: shapes.pathDone }, ...refusals },
    handle: async ({ body }, _, { engine }) => {
      await using made = await makeDirectory(engine.paths, body.path);
      return { status: 200, body: { path: made.path, ...done("Directory created successfully") } };
    },
  }),

  route({
    method: "DELETE",
    path: "/files/remove",
    credential: "token",
    summary: "Remove a file, or a directory with everything in it",
    query: shapes.pathQuery,
    responses: { 200: { description: "Gone", schema: shapes.pathDone }, ...refusals },
    handle: async ({ query }, _, { engine }) => {
      const path = await removeEntry(engine.paths, query.path);
      return { status: 200, body: { path, ...done("File removed successfully") } };
    },
  }),
];

export function answerWritten(written: FileVersion, message: string) {
  return {
    status: 200,
    headers: { ETag: written.etag },
    body: { ...describeVersion(written), ...done(message) },
  };
}

function done(message: string) {
  return { success: true, message, timestamp: new Date().toISOString() };
}

function describeVersion({ path, size, etag, modified }: FileVersion) {
  return { path, size, etag, modified: modified.toISOString() };
}

/** Both names of the flag and of the time: each client library reads another (14.7). */
function describeEntry({ type, modified, ...entry }: Entry) {
  const [isDirectory, time] = [type === "directory", modified.toISOString()];
  return {
    ...entry,
    type,
    is_dir: isDirectory,
    is_directory: isDirectory,
    modified: time,
    modified_time: time,
  };
}

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
