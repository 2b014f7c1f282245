import { makeDirectory } from "../../engine/files/directories.ts";
import type { Entry } from "../../engine/files/entry.ts";
import { findEntry, listDirectory } from "../../engine/files/list.ts";
import { removeEntry } from "../../engine/files/remove.ts";
import { route } from "./context.ts";
import { done, refusals } from "./file-answers.ts";
import * as shapes from "./files-schema.ts";

/** Which files and directories there are (contracts/hopx-agent.md, 8.4 and 8.5). */
export const fileEntryRoutes = [
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
