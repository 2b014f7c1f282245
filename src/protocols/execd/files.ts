import { readFacts } from "../../engine/files/facts.ts";
import { findByName } from "../../engine/files/find.ts";
import { moveEntry } from "../../engine/files/move.ts";
import { OwnerNames } from "../../engine/files/owners.ts";
import { changePermissions } from "../../engine/files/permissions.ts";
import { removeFile } from "../../engine/files/remove-file.ts";
import { replaceText } from "../../engine/files/replace.ts";
import type { Route } from "../../http/route.ts";
import { route, type ExecdContext } from "./context.ts";
import { emptyReply } from "./empty.ts";
import { describeFile, toChange } from "./file-info.ts";
import { done, needed, refusals, type FileMount } from "./file-view.ts";
import * as shapes from "./files-schema.ts";

/** Facts about files and what changes them (contracts/opensandbox-execd.md, 9.2 to 9.7). */
export function fileRoutes({ prefix, params, view, tellsCounts = false }: FileMount): Route<ExecdContext>[] {
  const mounted = { credential: "token", params } as const;
  return [
    route({
      ...mounted,
      method: "GET",
      path: `${prefix}/files/info`,
      summary: "What is at each path; symbolic links are told, not followed",
      query: shapes.pathsQuery,
      responses: { 200: { description: "By path as requested", schema: shapes.fileInfoMap }, ...refusals },
      handle: async ({ params, query }, _, context) => {
        const { paths, locate, show } = view(params, context, "read");
        const names = new OwnerNames();
        const found: [string, ReturnType<typeof describeFile>][] = [];
        for (const path of query.path) {
          const facts = await readFacts(paths, locate(path), names);
          found.push([path, describeFile(facts, show(facts.path))]);
        }
        return { status: 200, body: Object.fromEntries(found) };
      },
    }),

    route({
      ...mounted,
      method: "DELETE",
      path: `${prefix}/files`,
      summary: "Remove files and symbolic links, never directories; what is not there is fine",
      query: shapes.pathsQuery,
      responses: done,
      handle: async ({ params, query }, _, context) => {
        const { paths, locate } = view(params, context, "write");
        for (const path of query.path) await removeFile(paths, locate(path));
        return emptyReply();
      },
    }),

    route({
      ...mounted,
      method: "POST",
      path: `${prefix}/files/permissions`,
      summary: "Change owner, group and mode; symbolic links are followed",
      body: shapes.permissionMap,
      responses: done,
      handle: async ({ params, body }, _, context) => {
        const { paths, locate } = view(params, context, "write");
        const names = new OwnerNames();
        for (const [path, permission] of Object.entries(body))
          await changePermissions(paths, locate(path), toChange(permission, names));
        return emptyReply();
      },
    }),

    route({
      ...mounted,
      method: "POST",
      path: `${prefix}/files/mv`,
      summary: "Move files and directories to new paths, whose parents are made; nothing is replaced",
      body: shapes.moveList,
      responses: done,
      handle: async ({ params, body }, _, context) => {
        const { paths, locate } = view(params, context, "write");
        for (const { src, dest } of body) await moveEntry(paths, locate(src), locate(dest));
        return emptyReply();
      },
    }),

    route({
      ...mounted,
      method: "GET",
      path: `${prefix}/files/search`,
      summary: "Everything below a path that is no directory and whose name matches a pattern",
      query: shapes.searchQuery,
      responses: { 200: { description: "What was found", schema: shapes.fileInfos }, ...refusals },
      handle: async ({ params, query }, _, context) => {
        const { paths, locate, show } = view(params, context, "read");
        const root = locate(needed(query.path, "path"));
        const found = await findByName(paths, root, query.pattern || "**");
        return { status: 200, body: found.map((facts) => describeFile(facts, show(facts.path))) };
      },
    }),

    route({
      ...mounted,
      method: "POST",
      path: `${prefix}/files/replace`,
      summary: "Replace every occurrence of a text in each file",
      query: shapes.replaceQuery,
      body: shapes.replaceMap,
      responses: {
        200: { description: "Done; counts if verbose", schema: shapes.replaceCounts },
        ...refusals,
      },
      handle: async ({ params, query, body }, _, context) => {
        const { paths, locate } = view(params, context, "write");
        const counts: [string, { replacedCount: number }][] = [];
        for (const [path, { old: before, new: after }] of Object.entries(body))
          counts.push([path, { replacedCount: await replaceText(paths, locate(path), { before, after }) }]);
        return tellsCounts || query.verbose === "true"
          ? { status: 200, body: Object.fromEntries(counts) }
          : emptyReply();
      },
    }),
  ];
}
