import { z } from "zod";
import type { Route } from "../../http/route.ts";
import type { ExecdContext } from "./context.ts";
import { directoryRoutes } from "./directories.ts";
import { sandboxView, type FileMount } from "./file-view.ts";
import { fileRoutes } from "./files.ts";
import { transferRoutes } from "./transfer.ts";

const identity = z.object({
  uid: z.coerce
    .number()
    .int()
    .min(0)
    .max(2 ** 32 - 2),
  gid: z.coerce
    .number()
    .int()
    .min(0)
    .max(2 ** 32 - 2),
});

/** The sandbox's files as its code may use them, and with the rights of any other user of the machine. */
const MOUNTS: readonly FileMount[] = [
  { prefix: "", params: z.object({}), view: (_, context) => sandboxView(context) },
  {
    prefix: "/v1/filesystem/{uid}/{gid}",
    params: identity,
    view: (params, context) => {
      const { uid, gid } = identity.parse(params);
      return sandboxView(context, context.engine.pathsAs(uid, gid));
    },
  },
];

export const allFileRoutes: readonly Route<ExecdContext>[] = MOUNTS.flatMap(routesOf);

/** Every file route at one place. */
export function routesOf(mount: FileMount): Route<ExecdContext>[] {
  return [...fileRoutes(mount), ...transferRoutes(mount), ...directoryRoutes(mount)];
}
