import { listFacts } from "../../engine/files/find.ts";
import { OwnerNames } from "../../engine/files/owners.ts";
import { makeDirectoryWith } from "../../engine/files/permissions.ts";
import { removeIfThere } from "../../engine/files/remove-file.ts";
import type { Route } from "../../http/route.ts";
import { route, type ExecdContext } from "./context.ts";
import { emptyReply } from "./empty.ts";
import { describeFile, toChange } from "./file-info.ts";
import { done, needed, refusals, type FileMount } from "./file-view.ts";
import * as shapes from "./files-schema.ts";

/** contracts/opensandbox-execd.md, 10. */
export function directoryRoutes({ prefix, params, view }: FileMount): Route<ExecdContext>[] {
  const mounted = { credential: "token", params } as const;
  return [
    route({
      ...mounted,
      method: "GET",
      path: `${prefix}/directories/list`,
      summary: "What is in a directory, down to a depth (default 1)",
      query: shapes.listQuery,
      responses: {
        200: { description: "Without the directory itself", schema: shapes.fileInfos },
        ...refusals,
      },
      handle: async ({ params, query }, _, context) => {
        const { paths, locate, show } = view(params, context, "read");
        const found = await listFacts(paths, locate(needed(query.path, "path")), query.depth ?? 1);
        return { status: 200, body: found.map((facts) => describeFile(facts, show(facts.path))) };
      },
    }),

    route({
      ...mounted,
      method: "POST",
      path: `${prefix}/directories`,
      summary: "Make directories with their parents; one that is there stays as it is",
      body: shapes.permissionMap,
      responses: done,
      handle: async ({ params, body }, _, context) => {
        const { paths, locate } = view(params, context, "write");
        const names = new OwnerNames();
        for (const [path, permission] of Object.entries(body))
          await makeDirectoryWith(paths, locate(path), toChange(permission, names));
        return emptyReply();
      },
    }),

    route({
      ...mounted,
      method: "DELETE",
      path: `${prefix}/directories`,
      summary: "Remove directories with everything in them; what is not there is fine",
      query: shapes.pathsQuery,
      responses: done,
      handle: async ({ params, query }, _, context) => {
        const { paths, locate } = view(params, context, "write");
        for (const path of query.path) await removeIfThere(paths, locate(path));
        return emptyReply();
      },
    }),
  ];
}
