import { z } from "zod";

/** Shapes of the file routes beyond the published ones. They refuse unknown fields: an option must not be ignored. */

const globs = z
  .union([z.string().transform((text) => text.split(",").filter(Boolean)), z.array(z.string().min(1))])
  .default([]);
const flag = z
  .union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")])
  .default(false);
const whole = (least: number, most: number, fallback: number) =>
  z.coerce.number().int().min(least).max(most).default(fallback);

export const searchRequest = z
  .strictObject({
    pattern: z.string().min(1, "pattern must not be empty").describe("Text to look for, line by line"),
    path: z.string().default(".").describe("File or directory; default the workspace"),
    regex: flag.describe("The pattern is a regular expression in RE2's syntax (as ripgrep's)"),
    case: z.enum(["sensitive", "insensitive", "smart"]).default("sensitive"),
    include: globs.describe("Globs as in a .gitignore, relative to path; a list, or text with commas"),
    exclude: globs.describe("As include; wins over it"),
    context: whole(0, 20, 0).describe("Lines before and after each match"),
    max_results: whole(1, 10_000, 1000),
    max_line_bytes: whole(16, 65_536, 2000).describe("Of a longer line its beginning is answered"),
    hidden: flag.describe("Also files and directories whose names begin with a dot"),
    ignored: flag.describe("Also what .gitignore files below path name"),
    timeout: whole(1, 300, 30).describe("Seconds; what was found until then is answered"),
  })
  .meta({ id: "SearchRequest", example: { pattern: "TODO", include: ["*.py"] } });

export const searchResult = z
  .object({
    path: z.string().describe("What was searched"),
    matches: z.array(
      z.object({
        path: z.string(),
        line: z.int().describe("From 1"),
        column: z.int().describe("Of the first match in the line, in characters from 1"),
        text: z.string(),
        line_truncated: z.literal(true).optional(),
        before: z.array(z.string()).optional(),
        after: z.array(z.string()).optional(),
      }),
    ),
    count: z.int(),
    truncated: z.boolean(),
    truncated_by: z.enum(["max_results", "max_bytes", "timeout"]).optional(),
    files_searched: z.int().describe("At least, when truncated"),
    engine: z.enum(["ripgrep", "builtin"]),
    timestamp: z.iso.datetime(),
  })
  .meta({ id: "SearchResult" });

export const signRequest = z
  .strictObject({
    path: z.string().min(1),
    method: z.enum(["GET", "PUT"]).default("GET"),
    expires_in: z
      .int()
      .min(1)
      .max(7 * 24 * 60 * 60)
      .default(3600)
      .describe("Seconds"),
  })
  .meta({ id: "SignRequest", example: { path: "report.pdf", method: "GET", expires_in: 600 } });

export const signResult = z
  .object({
    url: z.string().describe("Works without a token, for this file and method only"),
    method: z.enum(["GET", "PUT"]),
    path: z.string(),
    expires_at: z.iso.datetime(),
  })
  .meta({ id: "SignResult" });

/** Checked by the handler, which answers 403 for everything that is not right. */
export const signedQuery = z.object({
  path: z.string().optional(),
  expires: z.string().optional(),
  signature: z.string().optional(),
});

export const archiveQuery = z.strictObject({ path: z.string().default(".") });
export const unpackQuery = z.strictObject({
  path: z.string().default("."),
  overwrite: z
    .enum(["true", "false"])
    .default("true")
    .transform((text) => text === "true")
    .describe("With false a file that is there already is a conflict"),
});

export const unpackResult = z
  .object({
    success: z.literal(true),
    path: z.string(),
    files: z.int(),
    directories: z.int(),
    links: z.int(),
    bytes: z.int().describe("Of all files, unpacked"),
    timestamp: z.iso.datetime(),
  })
  .meta({ id: "UnpackResult" });
