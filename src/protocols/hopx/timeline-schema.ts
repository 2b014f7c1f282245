import { z } from "zod";
import { TIMELINE_KINDS } from "../../engine/timeline/entry.ts";

/** Shapes of the record of what was done (an addition of this agent). */

const kinds = z
  .union([z.string(), z.array(z.string())])
  .transform((given) => (typeof given === "string" ? given : given.join(",")).split(",").filter(Boolean))
  .pipe(z.array(z.enum(TIMELINE_KINDS)))
  .default([]);

const time = z
  .union([
    z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)),
    z.coerce.number().int().min(0),
  ])
  .optional()
  .describe("ISO 8601, or milliseconds since 1970");

const cursor = z.coerce.number().int().min(0).optional();

export const timelineQuery = z.object({
  kind: kinds.describe("One or several, separated by commas; none: all"),
  since: time,
  until: time,
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: cursor.describe("From `next_cursor` of the page before"),
});

export const exportQuery = timelineQuery.pick({ kind: true, since: true, until: true });

export const streamQuery = z.object({
  kind: kinds,
  after: cursor.describe("Revision to go on from; absent: only what comes"),
});

export const timelineEntry = z
  .object({
    id: z.string().describe("A run's own id, or one of the record's"),
    kind: z.enum(TIMELINE_KINDS),
    action: z.string(),
    time: z.iso.datetime(),
    duration_ms: z.number().nullable().describe("null while it is under way"),
    end: z
      .object({
        cause: z.string(),
        exit_code: z.int().optional(),
        signal: z.string().optional(),
        status: z.int().optional(),
      })
      .nullable(),
    language: z.string().optional(),
    paths: z.array(z.string()).optional(),
    bytes: z.object({ input: z.int().optional(), stdout: z.int().optional(), stderr: z.int().optional() }),
    api: z.string().optional(),
    caller: z.string().optional(),
    client: z.string().optional(),
    request_id: z.string().optional(),
    trace_id: z.string().optional(),
    sequence: z.int(),
    revision: z.int(),
  })
  .meta({ id: "TimelineEntry" });

export const timelinePage = z
  .object({ entries: z.array(timelineEntry), next_cursor: z.int().nullable() })
  .meta({ id: "Timeline" });
