import { z } from "zod";

/** Shapes of the file routes (contracts/opensandbox-execd.md, 9 and 10). */

const word = z.string().nullish().describe("Name or number; absent or empty: left alone");

export const permission = z
  .object({
    owner: word,
    group: word,
    mode: z
      .union([z.int(), z.string()])
      .nullish()
      .describe("Octal digits read as a decimal number: 755, 644; 0 or absent: left alone"),
  })
  .meta({ id: "Permission" });
export type Permission = z.output<typeof permission>;

export const permissionMap = z.record(z.string(), permission.nullable());
export const moveList = z.array(z.object({ src: z.string(), dest: z.string() }));
export const replaceMap = z.record(
  z.string(),
  z.object({ old: z.string().default(""), new: z.string().default("") }),
);
export const uploadMetadata = permission.extend({ path: z.string() });

const one = z.string().optional();
/** A parameter that may be repeated. */
export const pathsQuery = z.object({
  path: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .transform((given = []) => (typeof given === "string" ? [given] : given)),
});
export const searchQuery = z.object({ path: one, pattern: one });
export const replaceQuery = z.object({ verbose: one });

const count = (name: string, least: number) =>
  z
    .string()
    .regex(/^-?\d+$/, `${name} must be a whole number`)
    .transform(Number)
    .refine((number) => number >= least, `${name} must be at least ${least}`)
    .optional();

export const listQuery = z.object({ path: one, depth: count("depth", 0) });
export const downloadQuery = z.object({
  path: one,
  offset: count("offset", 1).describe("First line, from 1"),
  limit: count("limit", 1).describe("Most lines"),
});

export const fileInfo = z
  .object({
    path: z.string(),
    type: z.enum(["file", "directory", "symlink", "other"]),
    size: z.int(),
    modified_at: z.string().describe("RFC 3339"),
    created_at: z.string().describe("RFC 3339; last change of the inode"),
    owner: z.string(),
    group: z.string(),
    mode: z.int().describe("Octal digits read as a decimal number"),
  })
  .meta({ id: "FileInfo" });

export const fileInfos = z.array(fileInfo);
export const fileInfoMap = z.record(z.string(), fileInfo);
export const replaceCounts = z.record(z.string(), z.object({ replacedCount: z.int() }));

export const errorBody = z.object({ code: z.string(), message: z.string() }).meta({ id: "Error" });

export const uploadForm = z.object({
  metadata: z.string().describe("JSON with path, and if wanted owner, group and mode"),
  file: z.string().meta({ format: "binary" }),
});
