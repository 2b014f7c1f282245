import type { z } from "zod";
import type { PathRules } from "../../engine/files/paths.ts";
import type { ExecdContext } from "./context.ts";
import { ExecdRefusal } from "./errors.ts";
import { expandPath } from "./expand.ts";
import { errorBody } from "./files-schema.ts";

/** The files that one set of file routes works on, and how clients name them. */
export interface FileView {
  readonly paths: PathRules;
  /** A client's path as the engine takes it. @throws ExecdRefusal for a variable that is not set. */
  readonly locate: (path: string) => string;
  /** An absolute path of the engine as the client knows it. */
  readonly show: (path: string) => string;
}

/** Where a set of file routes is served: the same routes work on the sandbox, as a user, and on one session. */
export interface FileMount {
  /** Before `/files` and `/directories`. */
  readonly prefix: string;
  /** Of the names in the prefix. */
  readonly params: z.ZodType;
  /** Whether replacing always tells its counts: the client libraries forget to ask for them in a session. */
  readonly tellsCounts?: boolean;
  readonly view: (params: unknown, context: ExecdContext, use: "read" | "write") => FileView;
}

/** The sandbox's files, with the rights that code has, or with those of other rules. */
export function sandboxView({ engine }: ExecdContext, paths = engine.paths): FileView {
  return {
    paths,
    locate: (path) => expandPath(path, engine.environment),
    show: (path) => path,
  };
}

export const refusals = {
  400: { description: "Not something that can be used so", schema: errorBody },
  401: { description: "Access token missing or wrong", schema: errorBody },
  403: { description: "Outside the allowed roots, or the system refuses", schema: errorBody },
  404: { description: "There is nothing at a path", schema: errorBody },
} as const;

/** The answers of a row that changes something. */
export const done = { 200: { description: "Done; no body" }, ...refusals } as const;

/** @throws ExecdRefusal 400 for a parameter that is not there (1.4). */
export function needed(value: string | undefined, name: string): string {
  if (value !== undefined && value !== "") return value;
  throw new ExecdRefusal(400, "MISSING_QUERY", `missing query parameter '${name}'`);
}
