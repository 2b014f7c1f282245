import { z } from "zod";
import { neverCached } from "./cache-schema.ts";
import { end, executeRequest, truncated, usage } from "./schema.ts";

const WEEK = 7 * 24 * 60 * 60;

export const asyncRequest = executeRequest
  .extend({
    ...neverCached,
    timeout: z.int().min(1).max(WEEK).nullish().describe("Seconds; default 3600"),
    callback_url: z.string().describe("http or https address that the result is POSTed to"),
    callback_headers: z.record(z.string(), z.string()).nullish().describe("Sent along with the result"),
    callback_signature_secret: z
      .string()
      .min(1)
      .max(1024)
      .nullish()
      .describe("Signs the result: X-HopX-Signature, HMAC-SHA256 over timestamp and body"),
  })
  .meta({
    id: "AsyncRequest",
    example: { code: "print(6 * 7)", language: "python", callback_url: "https://app.example/hook" },
  });

export const asyncStarted = z
  .object({
    execution_id: z.string(),
    status: z.literal("queued"),
    callback_url: z.string(),
    message: z.string(),
    timestamp: z.iso.datetime(),
  })
  .meta({ id: "AsyncStarted" });

/** What is POSTed to `callback_url` (contracts/hopx-agent.md, 5.3). */
export const asyncResult = z
  .object({
    execution_id: z.string(),
    status: z.enum(["completed", "failed", "timeout"]),
    success: z.boolean(),
    stdout: z.string(),
    stderr: z.string(),
    exit_code: z.int(),
    execution_time: z.number().describe("Seconds"),
    timestamp: z.iso.datetime(),
    error: z.string().optional().describe("Why it did not complete"),
    run_id: z.string().optional(),
    pid: z.int().optional(),
    end,
    usage,
    truncated: truncated.optional(),
  })
  .meta({ id: "AsyncResult" });

const time = z.iso.datetime().nullable();

export const asyncState = z
  .object({
    execution_id: z.string(),
    status: z.enum(["running", "completed", "failed", "timeout"]),
    callback_url: z.string(),
    created_at: z.iso.datetime(),
    result: asyncResult.optional().describe("When it has ended"),
    delivery: z.object({
      id: z.string().describe("Sent as X-HopX-Delivery with every attempt"),
      status: z.enum(["pending", "delivered", "failed"]),
      attempts: z.int(),
      last_status: z.int().nullable(),
      last_error: z.string().nullable(),
      next_attempt_at: time,
      finished_at: time,
    }),
  })
  .meta({ id: "AsyncState" });

export const executionId = z.object({ id: z.string() });
