import { z } from "zod";

/** Shapes of the execution cache (contracts/hopx-agent.md, 10.1, 14.19 and 14.20). */

/** What a request that runs code and waits may ask for. */
export const cacheFields = {
  cache: z
    .boolean()
    .nullish()
    .describe(
      "Answer with the kept result of the same code in the same environment, and keep this one; default false",
    ),
  cache_ttl: z
    .int()
    .min(1)
    .nullish()
    .describe(
      "Seconds that a result may be old, and that this one is kept; default and most: cacheTtlSeconds",
    ),
};

/** Who does not wait for a run starts one; these must not be taken for something they do not get. */
export const neverCached = {
  cache: z.literal(false, "runs in the background are never answered from the cache").nullish(),
  cache_ttl: z.null("runs in the background are never answered from the cache").optional(),
};

/** What the answer then has beside the usual. */
export const cachedFields = {
  cached: z.boolean().optional().describe("Whether this is a kept result; absent when nobody asked"),
  cached_at: z.iso.datetime().optional().describe("When the run that it tells of had ended"),
  expires_at: z.iso.datetime().optional(),
};

const cache = z
  .object({
    size: z.number().describe("Bytes kept"),
    max_size: z.number(),
    total_hits: z.int(),
    ttl: z.string().describe("For example 3600s"),
    hits: z.int(),
    misses: z.int(),
    hit_rate: z.number().describe("0 to 1"),
    entries: z.int(),
    evictions: z.int(),
    bytes: z.int(),
    max_bytes: z.int(),
    ttl_seconds: z.int(),
  })
  .meta({ id: "Cache" });

export const cacheStats = z
  .object({
    cache,
    hits: z.int(),
    misses: z.int(),
    hit_rate: z.number(),
    count: z.int().describe("Results kept"),
    size: z.number().describe("MiB, as the Python library documents"),
    evictions: z.int(),
    timestamp: z.iso.datetime(),
  })
  .meta({ id: "CacheStats" });

export const cacheStatus = z
  .object({
    agent: z.string(),
    status: z.literal("running"),
    version: z.string(),
    vm_id: z.string(),
    message: z.literal("success"),
    cache,
    timestamp: z.iso.datetime(),
  })
  .meta({ id: "CacheStatus" });

export const cacheCleared = z
  .object({
    message: z.string(),
    cleared_entries: z.int(),
    entries_removed: z.int(),
    freed_bytes: z.int(),
    timestamp: z.iso.datetime(),
  })
  .meta({ id: "CacheCleared" });
