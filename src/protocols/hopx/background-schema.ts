import { z } from "zod";
import { signalNamed } from "../../engine/signal.ts";
import { PROCESS_ORDERS } from "../../engine/system/process-table.ts";
import { neverCached } from "./cache-schema.ts";
import { commandRequest, end, executeRequest, truncated, usage } from "./schema.ts";

/** Shapes of background processes and of the machine's own (contracts/hopx-agent.md, 6 and 10.6). */

const DAY_SECONDS = 24 * 60 * 60;
const MEBIBYTE = 1024 * 1024;

const more = {
  name: z.string().max(200).nullish().describe("What lists call it; default: the language or the command"),
  stdin_open: z
    .boolean()
    .nullish()
    .describe("Take more input while it runs; default false. stdin is then only its beginning"),
};
const timeout = executeRequest.shape.timeout.describe("Seconds; default 300");

export const backgroundCodeRequest = z
  .object({ ...executeRequest.shape, timeout, ...neverCached, ...more })
  .meta({ id: "BackgroundCodeRequest", example: { code: "import time; time.sleep(60)", name: "sleeper" } });

export const backgroundCommandRequest = z
  .object({ ...commandRequest.shape, timeout, ...more })
  .meta({ id: "BackgroundCommandRequest", example: { command: "sleep 60", name: "sleeper" } });

const status = z.enum(["queued", "running", "completed", "failed", "killed"]);

const ids = {
  process_id: z.string(),
  execution_id: z.string(),
  run_id: z.string(),
};

export const backgroundStarted = z
  .object({
    ...ids,
    name: z.string(),
    status: status.describe("As it was when this was sent; queued is never, because a start is not put off"),
    pid: z.int().nullable().describe("null when the program could not be started"),
    start_time: z.iso.datetime(),
    started_at: z.iso.datetime(),
    message: z.string(),
  })
  .meta({ id: "BackgroundStarted" });

export const backgroundProcess = z
  .object({
    ...ids,
    name: z.string(),
    language: z.string().describe("For commands: bash, shell (a line for /bin/sh) or command (a program)"),
    command: z.string().describe("The command line, or the first line of the code"),
    status,
    pid: z.int().nullable(),
    started_at: z.iso.datetime(),
    start_time: z.iso.datetime(),
    completed_at: z.iso.datetime().nullable(),
    end_time: z.iso.datetime().nullable(),
    duration: z.number().describe("Seconds, so far or in all"),
    execution_time: z.number().describe("As duration"),
    exit_code: z.int().nullable(),
    stdout: z.string().describe("The newest of it"),
    stderr: z.string(),
    truncated: truncated.optional(),
    output_bytes: z.object({ stdout: z.int(), stderr: z.int() }).describe("Printed so far"),
    output_open: z.boolean().describe("Whether it, or something it left behind, may still print"),
    stdin: z.enum(["none", "open", "closing", "closed", "refused"]),
    cpu_percent: z.number().describe("Of one processor, over its life"),
    memory_percent: z.number().describe("Of its first process, now"),
    memory_bytes: z.number(),
    end: end.nullable(),
    usage,
  })
  .meta({ id: "BackgroundProcess" });

export const backgroundList = z
  .object({ processes: z.array(backgroundProcess), count: z.int(), timestamp: z.iso.datetime() })
  .meta({ id: "BackgroundList" });

export const waited = backgroundProcess
  .extend({ ended: z.boolean().describe("false: the time was up first") })
  .meta({ id: "BackgroundWaited" });

export const processName = z.object({
  id: z.string().describe("process_id, execution_id, run_id or the pid of its first process"),
});

/** Of a query or a body; libraries pass what a list gave them, which may be a number. */
const idText = z.union([z.string().min(1), z.int().min(1).transform(String)]);

const signal = z
  .union([z.string(), z.int()])
  .transform((text, context) => {
    const found = signalNamed(String(text));
    if (found !== undefined) return found;
    context.issues.push({ code: "custom", message: `No such signal: ${text}`, input: text });
    return z.NEVER;
  })
  .nullish()
  .meta({
    type: "string",
    description: "Name (SIGINT, INT) or number; default: SIGTERM, then SIGKILL",
    override: true,
  });

export const killOptions = z.object({ signal });
export const killRequest = z.object({ process_id: idText.nullish(), signal });

export const killed = z
  .object({
    process_id: z.string(),
    execution_id: z.string().optional(),
    pid: z.int().nullable(),
    status: z.enum(["killed", "running", "completed", "failed"]).describe("What it is after the call"),
    message: z.string(),
    was_running: z.boolean().describe("false: it had ended before, and nothing was done"),
    end: end.nullish(),
  })
  .meta({ id: "Killed" });

export const outputQuery = z.object({
  stream: z.enum(["stdout", "stderr"]).default("stdout"),
  offset: z.coerce.number().int().min(0).default(0).describe("Bytes from the start of the stream"),
  limit: z.coerce.number().int().min(1).max(MEBIBYTE).default(65_536).describe("Bytes"),
  encoding: z.enum(["utf8", "base64"]).default("utf8").describe("utf8 never cuts a character in two"),
});

export const outputSlice = z
  .object({
    process_id: z.string(),
    stream: z.enum(["stdout", "stderr"]),
    encoding: z.enum(["utf8", "base64"]),
    data: z.string(),
    offset: z.int().describe("Of the first byte in data"),
    next_offset: z.int().describe("What to ask for next"),
    dropped_bytes: z.int().describe("Bytes asked for that are no longer kept"),
    total_bytes: z.int().describe("Printed so far"),
    ended: z.boolean().describe("The process has ended and all it printed until then has been read"),
    output_open: z.boolean().describe("Whether more may come, also from what an ended process left behind"),
    status,
  })
  .meta({ id: "BackgroundOutput" });

export const waitQuery = z.object({
  timeout: z.coerce.number().min(0).max(DAY_SECONDS).default(30).describe("Seconds"),
});

export const stdinRequest = z
  .object({
    data: z.string().default(""),
    encoding: z.enum(["utf8", "base64"]).default("utf8"),
    close: z.boolean().default(false).describe("The program reads an end of file after data"),
  })
  .meta({ id: "StdinRequest", example: { data: "yes\n" } });

export const stdinAnswer = z
  .object({
    process_id: z.string(),
    written_bytes: z.int(),
    waiting_bytes: z
      .int()
      .describe("Of all written, what the program has not read yet and the pipe has no room for"),
    stdin: z.enum(["open", "closing", "closed", "refused"]),
  })
  .meta({ id: "StdinAnswer" });

export const systemQuery = z.object({
  sort: z.enum(PROCESS_ORDERS).default("pid"),
  limit: z.coerce.number().int().min(1).max(10_000).default(1000),
});

export const systemProcesses = z
  .object({
    processes: z.array(
      z.object({
        pid: z.int(),
        ppid: z.int(),
        name: z.string(),
        command: z.string(),
        user: z.string(),
        status: z.string(),
        cpu_percent: z.number().describe("Of one processor, over the life of the process"),
        cpu_seconds: z.number(),
        memory_percent: z.number(),
        memory_bytes: z.number(),
        threads: z.int(),
        start_time: z.iso.datetime(),
        started_at: z.iso.datetime(),
        process_id: z
          .string()
          .describe("The pid, or the id of the background process that it is the first of"),
      }),
    ),
    count: z.int().describe("In this answer"),
    total: z.int().describe("On this machine"),
    timestamp: z.iso.datetime(),
  })
  .meta({ id: "SystemProcesses" });
