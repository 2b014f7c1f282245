import { archiveRoutes } from "./files-archive.ts";
import { searchRoutes } from "./files-search.ts";
import { signedRoutes } from "./files-signed.ts";

/** The file routes beyond the published ones. */
export const filesMoreRoutes = [...searchRoutes, ...archiveRoutes, ...signedRoutes];
