import { z } from "zod";

/** Shapes of commands and sessions. They check requests, type the handlers and make the OpenAPI document. */
const NO_NUL = /^[^\0]*$/;
const milliseconds = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
/** The largest of 32 bits means "none" to the kernel. */
const numericId = z
  .int()
  .min(0)
  .max(2 ** 32 - 2);

export const commandFields = {
  command: z
    .string()
    .min(1, "must not be empty")
    .nullish()
    .describe("Run by bash -c, or sh where there is no bash"),
  argv: z
    .array(z.string().regex(NO_NUL, "must not have a NUL byte"))
    .min(1)
    .nullish()
    .describe("A program and its arguments, run without a shell, instead of command"),
  cwd: z.string().nullish().describe("$NAME and a leading ~ are replaced; default: the workspace"),
  background: z.boolean().nullish().describe("Answer as soon as it runs; its output is in the logs"),
  timeout: milliseconds.nullish().describe("Milliseconds; 0: none"),
  uid: numericId.nullish(),
  gid: numericId.nullish().describe("Only with uid; default: the user's own group"),
  envs: z.record(z.string(), z.string()).nullish().describe("Environment variables of this run only"),
};

/** What a command may not be, whoever asks for it. */
export const commandRequest = z
  .object(commandFields)
  .refine(({ command, argv }) => (command == null) !== (argv == null), {
    message: "exactly one of command and argv is required",
  })
  .refine(({ argv }) => argv == null || argv[0] !== "", { message: "argv[0] must not be empty" })
  .refine(({ uid, gid }) => gid == null || uid != null, { message: "uid is required when gid is provided" })
  .meta({ id: "RunCommandRequest", example: { command: "echo hi" } });

export const commandStatus = z
  .object({
    id: z.string(),
    content: z.string().describe("The command; argv as JSON"),
    running: z.boolean(),
    exit_code: z.int().optional().describe("-1 when something ended it; absent while it runs"),
    error: z.string().optional(),
    started_at: z.iso.datetime(),
    finished_at: z.iso.datetime().optional(),
  })
  .meta({ id: "CommandStatus" });

export const sessionRequest = z
  .object({ cwd: z.string().nullish().describe("Made where it is missing") })
  .nullable()
  .meta({ id: "CreateSessionRequest" });

export const sessionCreated = z.object({ session_id: z.string() }).meta({ id: "CreateSessionResponse" });

export const sessionRun = z
  .object({
    command: z.string().min(1, "must not be empty"),
    cwd: z.string().nullish().describe("Must be there; the session stays there"),
    timeout: milliseconds.nullish().describe("Milliseconds; 0 or absent: 24 hours"),
  })
  .meta({ id: "RunInSessionRequest" });

/** Unknown members are refused: what is done once must be exactly what was meant. */
export const operationRequest = z
  .strictObject({ ...commandFields, operation_id: z.string().min(1) })
  .meta({ id: "CreateCommandOperationRequest" });
