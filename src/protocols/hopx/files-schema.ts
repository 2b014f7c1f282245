import { z } from "zod";

/** Shapes of the file routes (contracts/hopx-agent.md, 8). */

const MOST_LINES = 2 ** 31;
/** So many open directories at most, one in the other. */
const MOST_DEPTH = 64;
export const MOST_ENTRIES = 200_000;

const path = z.string().min(1, "path must not be empty").describe("Absolute, or relative to the workspace");

const flag = z.enum(["true", "false", "1", "0"]).transform((word) => word === "true" || word === "1");
const mode = z
  .string()
  .regex(/^0?[0-7]{3,4}$/, "expected octal permission bits such as 0644")
  .transform((text) => Number.parseInt(text, 8));

export const pathQuery = z.object({ path });

export const readQuery = z.object({
  path,
  encoding: z
    .enum(["utf-8", "base64"])
    .default("utf-8")
    .describe("base64 gives the very bytes; as text, what is not valid UTF-8 becomes U+FFFD"),
  start_line: z.coerce.number().int().min(1).max(MOST_LINES).optional().describe("First line, from 1"),
  end_line: z.coerce.number().int().min(1).max(MOST_LINES).optional().describe("Last line, included"),
});

export const listQuery = z.object({
  path: path.default(".").describe("Default the workspace"),
  recursive: flag.default(false),
  depth: z.coerce
    .number()
    .int()
    .min(1)
    .max(MOST_DEPTH)
    .optional()
    .describe("Levels of a recursive list; default all"),
  limit: z.coerce.number().int().min(1).max(MOST_ENTRIES).default(MOST_ENTRIES).describe("Most entries"),
});

export function depthOf({ recursive, depth }: z.output<typeof listQuery>): number {
  return recursive || depth !== undefined ? (depth ?? MOST_DEPTH) : 1;
}

export const writeRequest = z
  .object({
    path,
    content: z.string().describe("May be empty"),
    encoding: z.enum(["utf-8", "base64"]).nullish().describe("Of content; default utf-8"),
    mode: mode
      .nullish()
      .describe(
        "Octal permissions. 0644, which client libraries always send, keeps those of a file that is there",
      ),
    overwrite: z.boolean().default(true).describe("false: 409 when the file is there"),
  })
  .meta({ id: "WriteRequest", example: { path: "/workspace/hello.txt", content: "hello\n" } });

export const uploadForm = z
  .object({
    file: z.string().meta({ format: "binary" }),
    path,
    mode: mode.optional().describe("As in /files/write"),
    overwrite: flag.default(true),
  })
  .meta({ id: "UploadForm" });

/** The fields of the form beside the file. */
export const uploadFields = uploadForm.omit({ file: true });

export const mkdirRequest = z.object({ path }).meta({ id: "MkdirRequest" });

const version = {
  path: z.string().describe("Absolute"),
  size: z.int(),
  etag: z.string(),
  modified: z.iso.datetime(),
};

export const fileContent = z
  .object({
    ...version,
    content: z.string(),
    encoding: z.enum(["utf-8", "base64"]),
    start_line: z.int().optional(),
    end_line: z.int().optional().describe("Last line that is in content"),
    has_more: z.boolean().optional().describe("Whether lines follow"),
  })
  .meta({ id: "FileContent" });

const done = { success: z.literal(true), message: z.string(), timestamp: z.iso.datetime() };
export const fileWritten = z.object({ ...version, ...done }).meta({ id: "FileWritten" });
export const pathDone = z.object({ path: z.string(), ...done }).meta({ id: "PathDone" });

export const fileEntry = z
  .object({
    name: z.string(),
    path: z.string(),
    type: z.enum(["file", "directory", "symlink", "fifo", "socket", "device"]),
    size: z.int(),
    is_dir: z.boolean(),
    is_directory: z.boolean(),
    modified: z.iso.datetime(),
    modified_time: z.iso.datetime(),
    permissions: z.string().describe("For example rwxr-xr-x"),
  })
  .meta({ id: "FileEntry" });

export const fileList = z
  .object({
    path: z.string(),
    files: z.array(fileEntry),
    count: z.int(),
    truncated: z.boolean().describe("Whether there are more than the limit"),
  })
  .meta({ id: "FileList" });

export const fileExists = z
  .object({ path: z.string(), exists: z.boolean(), type: fileEntry.shape.type.optional() })
  .meta({ id: "FileExists" });
