import { z } from "zod";

/** Shapes of the terminal routes (contracts/opensandbox-execd.md, 8). */

const fields = {
  cwd: z
    .string()
    .nullish()
    .describe("Directory to start in, made when it is missing; ~ and $NAME are expanded"),
  command: z.string().nullish().describe("Run by bash -c; default: an interactive bash"),
};

export const ptyRequest = z
  .object(fields)
  .nullable()
  .meta({ id: "PtyRequest", example: { cwd: "/tmp" } });

/** Unknown members are refused: what is done once must be exactly what was meant. */
export const ptyOperationRequest = z
  .strictObject({ ...fields, operation_id: z.string().min(1) })
  .meta({ id: "CreatePtyOperationRequest" });

export const ptyCreated = z.object({ session_id: z.uuid() }).meta({ id: "PtyCreated" });

export const ptyStatus = z
  .object({
    session_id: z.uuid(),
    running: z.boolean(),
    output_offset: z.int().describe("Bytes printed in all; pass it as since to get only what comes later"),
  })
  .meta({ id: "PtyStatus" });

/** Anything that is not understood means the default, as in the reference server. */
export const ptyQuery = z.object({
  pty: z
    .string()
    .optional()
    .transform((value) => (value === "0" ? ("pipes" as const) : ("terminal" as const))),
  since: z
    .string()
    .optional()
    .transform((value) => (/^\d{1,15}$/.test(value ?? "") ? Number(value) : 0)),
  takeover: z
    .string()
    .optional()
    .transform((value) => value === "1"),
  mode: z
    .string()
    .optional()
    .transform((value) => (value === "viewer" ? ("viewer" as const) : ("holder" as const))),
});

export type PtyQuery = z.output<typeof ptyQuery>;

const side = z.int().min(1).max(0xffff);

/** What clients send as text; what has another `type` is answered with an error, what is no JSON is ignored. */
export const clientFrame = z.discriminatedUnion("type", [
  z.object({ type: z.literal("stdin"), data: z.string().catch("") }),
  z.object({ type: z.literal("signal"), signal: z.unknown() }),
  // A size that makes no sense is ignored.
  z.object({
    type: z.literal("resize"),
    cols: side.optional().catch(undefined),
    rows: side.optional().catch(undefined),
  }),
  z.object({ type: z.literal("ping") }),
]);

export type ClientFrame = z.output<typeof clientFrame>;

const SIGNALS = ["SIGINT", "SIGTERM", "SIGKILL", "SIGQUIT", "SIGHUP"] as const;

/** The signal of a frame; others are ignored. */
export function signalOf(name: unknown): (typeof SIGNALS)[number] | undefined {
  return SIGNALS.find((signal) => signal === name);
}
