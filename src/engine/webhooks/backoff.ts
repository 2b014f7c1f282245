/**
 * When a delivery is tried again: 1 s after the first attempt (the base, a setting), then twice as long each
 * time up to five minutes, each ± 25 % so that many deliveries to one target spread out. Ten attempts in all,
 * the last about eight and a half minutes after the first.
 */
export const MOST_ATTEMPTS = 10;
const LONGEST_PAUSE_MS = 5 * 60 * 1000;
const JITTER = 0.25;
/** A target may ask for a longer pause, but not to be kept in the queue for ever. */
export const LONGEST_RETRY_AFTER_MS = 10 * 60 * 1000;

/** @param attempts How many have been made. @param random In [0, 1). */
export function pauseMs(attempts: number, baseMs: number, random = Math.random()): number {
  const pause = Math.min(LONGEST_PAUSE_MS, baseMs * 2 ** (attempts - 1));
  return Math.round(pause * (1 - JITTER + 2 * JITTER * random));
}

/** The header's seconds or date, in milliseconds from now and bounded; undefined when it says nothing. */
export function retryAfterMs(header: string | undefined, now = Date.now()): number | undefined {
  if (header === undefined || header.trim() === "") return undefined;
  const asked = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(asked) ? undefined : Math.min(LONGEST_RETRY_AFTER_MS, Math.max(0, asked));
}
