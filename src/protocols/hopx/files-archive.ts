import { z } from "zod";
import { basename } from "node:path";
import type { PackedArchive } from "../../engine/files/archive-pack.ts";
import { readChunks } from "../../http/chunks.ts";
import { attachment } from "../../http/range.ts";
import { route } from "./context.ts";
import { archiveQuery, unpackQuery, unpackResult } from "./files-more-schema.ts";
import { errorBody } from "./schema.ts";

/** Proxies refuse larger headers. */
const MOST_HEADER_CHARACTERS = 2000;

const refusals = {
  400: { description: "Not a directory, or not an archive that may be unpacked", schema: errorBody },
  403: { description: "Outside the allowed roots, or the system refuses", schema: errorBody },
  404: { description: "There is nothing at this path", schema: errorBody },
} as const;

/** Whole directories as tar.gz, which no published route has. */
export const archiveRoutes = [
  route({
    method: "GET",
    path: "/files/archive",
    credential: "token",
    summary: "Stream a directory as tar.gz",
    query: archiveQuery,
    responses: {
      200: {
        description:
          "The archive. X-Archive-Entries counts what is in it, X-Archive-Skipped what cannot be (sockets, " +
          "devices, FIFOs, what is not readable); X-Archive-Skipped-Paths has the first of these, URL-encoded, with commas",
      },
      ...refusals,
    },
    handle: async ({ query }, request, { engine }) => {
      // Loaded at the first archive: start-up is for what every daemon does.
      const { packDirectory } = await import("../../engine/files/archive-pack.ts");
      const archive = await packDirectory(engine.paths, query.path);
      request.note({ entries: archive.entries, skipped: archive.skipped.count });
      const headers = archiveHeaders(archive);
      if (request.raw.method !== "HEAD") return new Response(archive.bytes, { headers });
      await archive.bytes.cancel();
      return new Response(null, { headers });
    },
  }),

  route({
    method: "POST",
    path: "/files/archive",
    credential: "token",
    summary: "Unpack a tar or tar.gz into a directory: all of it or, unless the daemon is killed, nothing",
    query: unpackQuery,
    rawBody: { contentType: "application/gzip", schema: z.string().meta({ format: "binary" }) },
    responses: {
      200: { description: "Unpacked", schema: unpackResult },
      ...refusals,
      409: {
        description: "A file is in the way, and overwrite is false; or a directory is",
        schema: errorBody,
      },
      413: { description: "Too many entries, too many bytes, or the disk is full", schema: errorBody },
    },
    handle: async ({ query }, request, { engine, maxUploadBytes, ...limits }) => {
      const { maxArchiveEntries: maxEntries, maxArchiveBytes: maxBytes } = limits;
      const wanted = { ...query, maxEntries, maxBytes };
      const { unpackArchive } = await import("../../engine/files/archive-unpack.ts");
      const unpacked = await unpackArchive(engine.paths, wanted, readChunks(request.raw, maxUploadBytes));
      request.note({ files: unpacked.files, bytes: unpacked.bytes });
      return { status: 200, body: { success: true, ...unpacked, timestamp: new Date().toISOString() } };
    },
  }),
];

function archiveHeaders({ path, entries, skipped }: PackedArchive): Record<string, string> {
  const headers: Record<string, string> = {
    "Content-Type": "application/gzip",
    "Content-Disposition": attachment(`${basename(path) || "root"}.tar.gz`),
    "X-Content-Type-Options": "nosniff",
    "X-Archive-Entries": String(entries),
    "X-Archive-Skipped": String(skipped.count),
  };
  const paths = skipped.first.map(
    ({ path: one, reason }) => `${encodeURIComponent(one.toWellFormed())};${reason}`,
  );
  let shown = "";
  for (const one of paths) {
    if (shown.length + one.length > MOST_HEADER_CHARACTERS) break;
    shown += shown === "" ? one : `,${one}`;
  }
  if (shown !== "") headers["X-Archive-Skipped-Paths"] = shown;
  return headers;
}
