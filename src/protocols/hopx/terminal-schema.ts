import { z } from "zod";
import { signalNamed } from "../../engine/signal.ts";
import { end, limits } from "./schema.ts";

/** Shapes of the terminal and of its sessions (contracts/hopx-agent.md, 12.4; the sessions are our own). */

const side = z.coerce.number().int().min(1).max(0xffff);
const flag = z
  .enum(["0", "1", "true", "false"])
  .optional()
  .transform((value) => value === "1" || value === "true");

export const terminalQuery = z.object({
  session: z
    .string()
    .optional()
    .describe("Id or name of a session that outlives this connection; a new name makes one"),
  since: z.coerce
    .number()
    .int()
    .min(0)
    .default(0)
    .describe("Offset of the first byte wanted; default: everything that is kept"),
  takeover: flag.describe("Take the session from the connection that holds it"),
  mode: z.enum(["holder", "viewer"]).default("holder").describe("A viewer looks and does not touch"),
  restart: flag.describe("Start the program again when it has ended"),
  record: flag.describe("Record the session from the beginning"),
  cols: side.default(80),
  rows: side.default(24),
  cwd: z.string().optional().describe("Directory to start in; default /workspace"),
  command: z.string().optional().describe("Run by bash -c instead of an interactive shell"),
  login: flag.describe("Start the shell as a login does: /etc/profile and its like may replace PATH"),
});

export type TerminalQuery = z.output<typeof terminalQuery>;

export const terminalMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("input"), data: z.string() }),
  z.object({ type: z.literal("resize"), cols: side, rows: side }),
  z.object({
    type: z.literal("signal"),
    signal: z.string().transform((text, context) => {
      const found = signalNamed(text);
      if (found !== undefined) return found;
      context.issues.push({ code: "custom", message: `No such signal: ${text}`, input: text });
      return z.NEVER;
    }),
  }),
  z.object({ type: z.literal("ping") }),
]);

export type TerminalMessage = z.output<typeof terminalMessage>;

export const sessionRequest = z
  .object({
    name: z.string().nullish().describe("Up to 64 letters, digits, dots, dashes and underscores"),
    cwd: z.string().nullish().describe("Directory to start in; default /workspace"),
    env: z.record(z.string(), z.string()).nullish(),
    command: z.string().nullish().describe("Run by bash -c instead of an interactive shell"),
    login: z.boolean().default(false),
    cols: side.default(80),
    rows: side.default(24),
    record: z.boolean().default(false),
    limits: limits.nullish(),
  })
  .meta({ id: "TerminalSessionRequest", example: { name: "build", command: "make" } });

export type SessionRequest = z.output<typeof sessionRequest>;

export const recording = z
  .object({
    state: z.enum(["recording", "full", "stopped"]),
    bytes: z.int(),
    started_at: z.iso.datetime(),
  })
  .meta({ id: "TerminalRecording" });

export const session = z
  .object({
    session_id: z.uuid(),
    name: z.string().nullable(),
    running: z.boolean(),
    mode: z.enum(["terminal", "pipes"]).nullable().describe("null before the first start"),
    command: z.array(z.string()),
    pid: z.int().nullable(),
    cols: z.int(),
    rows: z.int(),
    output_offset: z.int().describe("Bytes printed in all"),
    held: z.boolean().describe("Whether a connection types in it"),
    viewers: z.int(),
    created_at: z.iso.datetime(),
    idle_seconds: z.number(),
    exit_code: z.int().nullable(),
    end: end.nullable().describe("How its program ended last"),
    recording: recording.nullable(),
  })
  .meta({ id: "TerminalSession" });

export const sessionList = z
  .object({ sessions: z.array(session), count: z.int() })
  .meta({ id: "TerminalSessions" });
export const sessionName = z.object({ session: z.string().describe("Id or name") });
export const sessionEnded = z
  .object({ success: z.boolean(), session_id: z.uuid() })
  .meta({ id: "TerminalSessionEnded" });
