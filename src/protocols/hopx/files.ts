import { fileContentRoutes } from "./files-content.ts";
import { fileEntryRoutes } from "./files-entries.ts";

/** The published routes of files. */
export const fileRoutes = [...fileContentRoutes, ...fileEntryRoutes];
