import { z } from "zod";
import { cachedFields, cacheFields } from "./cache-schema.ts";

/** Shapes of the VM Agent API. They check requests, type the handlers and make the OpenAPI document. */

const SECONDS_IN_WEEK = 7 * 24 * 60 * 60;

export const seconds = z.int().min(1).max(SECONDS_IN_WEEK);

/** Beyond the published fields. Unknown names are refused: a limit that is ignored would be worse than none. */
export const limits = z
  .strictObject({
    memory_bytes: z.int().min(1_048_576).describe("Memory of everything the run starts"),
    cpus: z.number().min(0.01).max(1024).describe("Processors' worth of time, for example 0.5"),
    processes: z.int().min(1).describe("Processes and threads alive at once"),
    open_files: z.int().min(3).describe("Open files of each process"),
    output_bytes: z
      .int()
      .min(1)
      .describe("Bytes of stdout and stderr together; the run is stopped when it writes more"),
  })
  .partial()
  .meta({ id: "Limits" });

const place = {
  working_dir: z.string().nullish().describe("Directory to run in; default /workspace"),
  workdir: z
    .string()
    .nullish()
    .describe(
      "As working_dir, and wins over it. Client libraries send it; a request that carries it is always answered 200",
    ),
  env: z.record(z.string(), z.string()).nullish().describe("Environment variables of this run only"),
  stdin: z.string().nullish().describe("Standard input; without it the run reads from /dev/null"),
  limits: limits.nullish().describe("What the run may use; enforced by the kernel"),
};

export const executeRequest = z
  .object({
    code: z.string().min(1, "code must not be empty"),
    language: z
      .string()
      .default("python")
      .describe("python, javascript, typescript, bash, go or java, or an alias such as py, js, node, ts, sh"),
    timeout: seconds
      .nullish()
      .describe("Seconds; default 60. Above 300 counts as 300 unless the request carries workdir"),
    ...cacheFields,
    ...place,
  })
  .meta({ id: "ExecuteRequest", example: { code: "print(6 * 7)", language: "python" } });

export const commandRequest = z
  .object({
    command: z
      .string()
      .min(1, "command must not be empty")
      .describe("Run by /bin/sh -c, or with args the program itself"),
    args: z.array(z.string()).nullish().describe("Arguments of the program; no shell is involved then"),
    timeout: seconds.nullish().describe("Seconds; default 30"),
    ...place,
  })
  .meta({ id: "CommandRequest", example: { command: "echo hi" } });

export const end = z
  .object({
    cause: z.enum([
      "exited",
      "signalled",
      "timed_out",
      "cancelled",
      "out_of_memory",
      "could_not_start",
      "lost",
    ]),
    description: z.string().describe("One sentence for a person"),
    signal: z.string().optional().describe("When a signal ended it"),
  })
  .meta({ id: "RunEnd", description: "How the run really ended" });

export const usage = z
  .object({
    peak_memory_bytes: z.number().nullable(),
    cpu_seconds: z.number().nullable(),
    peak_processes: z.number().nullable(),
    oom_kills: z.number(),
  })
  .meta({ id: "RunUsage", description: "What the run used; null where nobody can tell" });

export const truncated = z
  .array(z.object({ stream: z.enum(["stdout", "stderr"]), total_bytes: z.number(), kept_bytes: z.number() }))
  .meta({ id: "Truncated", description: "Streams of which only the newest bytes are in this answer" });

const result = {
  success: z.boolean(),
  stdout: z.string(),
  stderr: z.string(),
  exit_code: z
    .int()
    .describe("0 is success; 124 after a timeout, 128 + n after signal n, 127 program not found"),
  execution_time: z.number().describe("Seconds"),
  timestamp: z.iso.datetime(),
  run_id: z.string(),
  pid: z.int().optional(),
  end,
  usage,
  truncated: truncated.optional(),
};

export const executeResult = z
  .object({
    ...result,
    ...cachedFields,
    language: z.string(),
    start: z
      .enum(["warm", "cold"])
      .optional()
      .describe("Whether an interpreter had been waiting for it; absent where nothing was started"),
  })
  .meta({ id: "ExecuteResult" });
export const commandResult = z.object({ ...result, command: z.string() }).meta({ id: "CommandResult" });

export const errorBody = z
  .object({
    error: z.string(),
    message: z.string().describe("The same text as error"),
    code: z.string(),
    details: z.record(z.string(), z.unknown()).optional(),
    path: z.string(),
    request_id: z.string(),
    timestamp: z.iso.datetime(),
  })
  .meta({ id: "Error" });

export const sandbox = z
  .object({
    object: z.literal("sandbox"),
    id: z.string(),
    sandbox_id: z.string(),
    status: z.literal("running"),
    public_host: z.string(),
    direct_url: z.string(),
    organization_id: z.int(),
    template_id: z.string().nullable(),
    template_name: z.string().nullable(),
    region: z.string().nullable(),
    resources: z.object({ vcpu: z.int(), memory_mb: z.int(), disk_mb: z.int() }),
    internet_access: z.boolean(),
    timeout_seconds: z.int().nullable(),
    created_at: z.string(),
    expires_at: z.string().nullable(),
    request_id: z.string(),
  })
  .meta({ id: "Sandbox" });

export const sandboxList = z
  .object({
    object: z.literal("list"),
    data: z.array(sandbox),
    has_more: z.boolean(),
    next_cursor: z.string().nullable(),
    url: z.string(),
    request_id: z.string(),
  })
  .meta({ id: "SandboxList" });

export const token = z.object({ auth_token: z.string(), token_expires_at: z.string() }).meta({ id: "Token" });
export const anyObject = z.record(z.string(), z.unknown());
