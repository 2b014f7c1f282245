import { z } from "zod";
import { signalNamed } from "../../engine/signal.ts";
import { neverCached } from "./cache-schema.ts";
import { commandRequest, executeRequest } from "./schema.ts";

/** What clients send on the sockets that run something (contracts/hopx-agent.md, 12.3 and 12.6). */

const run = {
  encoding: z
    .enum(["utf8", "base64"])
    .default("utf8")
    .describe("How bytes are written in data: base64 keeps those that are no text"),
  stdin_open: z
    .boolean()
    .nullish()
    .describe("Take more input while it runs; default false. stdin is then only its beginning"),
  resumable: z
    .boolean()
    .default(false)
    .describe("Wait for the client when its connection breaks (setting stream-keep-ms)"),
  ...neverCached,
};

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

export const cursor = z
  .object({ stdout: count.default(0), stderr: count.default(0), rich: count.default(0) })
  .describe("What the client has: bytes of each stream, and messages that are no bytes");

/** What may be sent on every one of these sockets, whatever runs. */
const common = [
  z
    .object({
      type: z.literal("resume"),
      run_id: z.string(),
      cursor: cursor.prefault({}),
      encoding: run.encoding,
    })
    .meta({ id: "StreamResume" }),
  z
    .object({
      type: z.literal("stdin"),
      data: z.string(),
      encoding: run.encoding,
      ack: z.boolean().default(false),
      offset: count
        .optional()
        .describe("Where in all of the run's input it begins; what is there is passed over"),
    })
    .meta({ id: "StreamStdin" }),
  z.object({ type: z.literal("stdin_end") }).meta({ id: "StreamStdinEnd" }),
  z
    .object({
      type: z.literal("signal"),
      signal: z.union([z.string(), z.int()]).transform((text, context) => {
        const found = signalNamed(String(text));
        if (found !== undefined) return found;
        context.issues.push({ code: "custom", message: `No such signal: ${text}`, input: text });
        return z.NEVER;
      }),
    })
    .meta({ id: "StreamSignal" }),
  z.object({ type: z.literal("interrupt") }).meta({ id: "StreamInterrupt" }),
  z.object({ type: z.literal("cancel") }).meta({ id: "StreamCancel" }),
  z.object({ type: z.literal("ping") }).meta({ id: "StreamPing" }),
] as const;

const codeFields = executeRequest.omit({ cache: true, cache_ttl: true }).extend(run);

export const codeMessage = z.discriminatedUnion("type", [
  codeFields.extend({ type: z.literal("execute") }).meta({ id: "StreamExecute" }),
  ...common,
]);

export const cellMessage = z.discriminatedUnion("type", [
  codeFields
    .pick({ code: true, language: true, timeout: true, stdin: true })
    .extend(run)
    .extend({
      type: z.literal("execute"),
      context_id: z.string().nullish().describe("A context of its own; default: the one that all share"),
    })
    .meta({ id: "StreamCell" }),
  ...common,
]);

export const commandMessage = z.discriminatedUnion("type", [
  commandRequest.extend({ type: z.literal("execute"), ...run }).meta({ id: "StreamCommand" }),
  ...common,
]);

export type CodeStart = Extract<z.output<typeof codeMessage>, { type: "execute" }>;
export type CellStart = Extract<z.output<typeof cellMessage>, { type: "execute" }>;
export type CommandStart = Extract<z.output<typeof commandMessage>, { type: "execute" }>;
export type CommonMessage = z.output<(typeof common)[number]>;
export type Encoding = z.output<typeof run.encoding>;
export type StreamCursor = z.output<typeof cursor>;
