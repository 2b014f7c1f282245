import { z } from "zod";
import { end, executeRequest, executeResult, seconds } from "./schema.ts";

/** Shapes of what has rich output (contracts/hopx-agent.md, 4.2, 4.6 and 10.7). */

export const richRequest = z
  .object({
    ...executeRequest.omit({ cache: true, cache_ttl: true }).shape,
    figure_formats: z
      .array(z.enum(["png", "svg", "jpeg", "pdf"]))
      .min(1)
      .nullish()
      .describe("How matplotlib's figures are told; default png. svg: as vectors"),
  })
  .meta({ id: "RichRequest", example: { code: "import pandas as pd\npd.DataFrame({'a': [1, 2]})" } });

export const ipythonRequest = z
  .object({
    code: z.string().min(1, "code must not be empty"),
    timeout: seconds.nullish().describe("Seconds; default 60"),
    env: z.record(z.string(), z.string()).nullish().describe("Environment variables of this run only"),
    stdin: z.string().nullish().describe("Given to input() line by line; without it, input() fails at once"),
    session_id: z
      .string()
      .regex(/^[\w.-]{1,64}$/, "session_id may have letters, digits, dots, dashes and underscores, up to 64")
      .nullish()
      .describe("Variables are kept by session, made at first use; default: one that everybody shares"),
  })
  .meta({ id: "IPythonRequest", example: { code: "a = 10\na + 5" } });

const bundle = z
  .record(z.string(), z.unknown())
  .describe("The same value in each form there is, by MIME type");

export const richOutput = z
  .object({
    type: z.string().describe("The richest of the MIME types in data"),
    data: bundle,
    path: z.string().optional().describe("The file that the code saved a figure to"),
    metadata: z.object({ source: z.enum(["display", "result", "saved_figure"]) }),
    timestamp: z.iso.datetime(),
  })
  .meta({ id: "RichOutput" });

/** Of each kind the last value; all values in order are in `rich_outputs`. */
export const richFields = {
  png: z.string().optional().describe("Base64"),
  svg: z.string().optional(),
  html: z.string().optional(),
  markdown: z.string().optional(),
  latex: z.string().optional(),
  json: z.unknown().optional(),
  result: z.string().optional().describe("The last expression's value as text"),
  dataframe: z
    .unknown()
    .optional()
    .describe("A table: columns with types, rows up to a bound, and how many there are in all"),
  rich_outputs: z.array(richOutput),
  exception: z
    .object({
      ename: z.string(),
      evalue: z.string(),
      traceback: z.array(z.string()).describe("Without colours"),
      traceback_ansi: z.array(z.string()).describe("As the kernel tells it, colour codes included"),
    })
    .optional(),
} as const;

export const richResult = executeResult
  .extend({
    ...richFields,
    rich_unavailable: z
      .string()
      .optional()
      .describe("Why the code ran without a kernel, so that only its text is here; absent where it had one"),
  })
  .meta({ id: "RichResult" });

/** What `/execute` answers: these fields are there when the code produced them. */
export const codeResult = executeResult
  .extend({ ...richFields, rich_outputs: richFields.rich_outputs.optional() })
  .meta({ id: "CodeResult" });

export const ipythonResult = richResult
  .extend({ session_id: z.string(), execution_count: z.int().optional() })
  .meta({ id: "IPythonResult" });

export const kernelSession = z
  .object({
    session_id: z.string(),
    kernel_id: z.string().describe("The same as session_id"),
    name: z.string(),
    language: z.string(),
    execution_state: z.enum(["starting", "idle", "busy", "restarting", "dead"]),
    connections: z.int().describe("Runs under way and waiting"),
    queued: z.int(),
    executions: z.int(),
    restarts: z.int(),
    pid: z.int().nullable(),
    start: z
      .enum(["warm", "cold"])
      .nullable()
      .describe(
        "warm: its kernel was forked from a process that had loaded what it needs; null: it has none",
      ),
    working_dir: z.string(),
    peak_memory_bytes: z.number().nullable(),
    cpu_seconds: z.number().nullable(),
    created_at: z.iso.datetime(),
    last_activity: z.iso.datetime(),
    end: end.nullable().describe("How its kernel died; null while it lives"),
  })
  .meta({ id: "KernelSession" });

export const kernelSessions = z
  .object({ status: z.literal("ok"), sessions: z.array(kernelSession), count: z.int() })
  .meta({ id: "KernelSessions" });

export const sessionName = z.object({ id: z.string() });
export const interrupted = z.object({
  outcome: z
    .enum(["interrupted", "restarted", "idle"])
    .describe("restarted: it did not stop in time, and its variables are lost; idle: nothing ran"),
  session: kernelSession,
});
export const sessionDeleted = z.object({ success: z.literal(true), session_id: z.string() });
