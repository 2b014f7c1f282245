import type { AttemptResult } from "./attempt.ts";
import { MOST_ATTEMPTS, pauseMs } from "./backoff.ts";
import type { DeliveryUpdate } from "./delivery-table.ts";

/** What an attempt makes of a delivery. @param attempts How many have been made, this one included. */
export function afterAttempt(attempts: number, result: AttemptResult, retryBaseMs: number): DeliveryUpdate {
  const now = Date.now();
  const lastError = result.verdict === "delivered" ? null : result.error;
  const told = { attempts, lastStatus: result.status, lastError };
  if (result.verdict !== "again" || attempts >= MOST_ATTEMPTS) {
    const state = result.verdict === "delivered" ? "delivered" : "failed";
    return { ...told, state, nextAttemptAt: null, finishedAt: now };
  }
  const pause = Math.max(pauseMs(attempts, retryBaseMs), result.retryAfterMs ?? 0);
  return { ...told, state: "pending", nextAttemptAt: now + pause, finishedAt: null };
}
