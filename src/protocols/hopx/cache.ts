import { AGENT_NAME } from "./about.ts";
import { cacheCleared, cacheStats, cacheStatus } from "./cache-schema.ts";
import { route, type HopxContext } from "./context.ts";
import { errorBody } from "./schema.ts";

const refused = { 401: { description: "Token missing, wrong or expired", schema: errorBody } };

/** The execution cache, told and cleared (contracts/hopx-agent.md, 10.1). */
export const cacheRoutes = [
  route({
    method: "GET",
    path: "/cache",
    credential: "token",
    summary: "That the agent runs, with the state of its cache",
    responses: { 200: { description: "Status", schema: cacheStatus }, ...refused },
    handle: (_, __, context) => ({
      status: 200,
      body: {
        agent: AGENT_NAME,
        status: "running",
        version: context.version,
        vm_id: context.sandboxId,
        message: "success",
        cache: describe(context),
        timestamp: new Date().toISOString(),
      },
    }),
  }),

  route({
    method: "GET",
    path: "/cache/stats",
    credential: "token",
    summary: "What the execution cache holds and how often it was of use",
    responses: { 200: { description: "Numbers since the daemon came up", schema: cacheStats }, ...refused },
    handle: (_, __, context) => {
      const cache = describe(context);
      const { hits, misses, hit_rate, evictions, entries, bytes } = cache;
      const size = Math.round((bytes / 2 ** 20) * 1000) / 1000;
      const body = { cache, hits, misses, hit_rate, evictions, count: entries, size };
      return { status: 200, body: { ...body, timestamp: new Date().toISOString() } };
    },
  }),

  // Without a body schema: client libraries send none, one of them with the content type of JSON.
  route({
    method: "POST",
    path: "/cache/clear",
    credential: "token",
    summary: "Drop every kept result",
    responses: { 200: { description: "What was dropped", schema: cacheCleared }, ...refused },
    handle: (_, request, { engine }) => {
      const { entries, bytes } = engine.cache.clear();
      request.note({ entries, bytes });
      return {
        status: 200,
        body: {
          message: "Cache cleared successfully",
          cleared_entries: entries,
          entries_removed: entries,
          freed_bytes: bytes,
          timestamp: new Date().toISOString(),
        },
      };
    },
  }),
];

function describe({ engine }: HopxContext) {
  const { hits, misses, hitRate, entries, evictions, bytes, maxBytes, ttlSeconds } = engine.cache.stats();
  return {
    size: bytes,
    max_size: maxBytes,
    total_hits: hits,
    ttl: `${ttlSeconds}s`,
    hits,
    misses,
    hit_rate: Math.round(hitRate * 10_000) / 10_000,
    entries,
    evictions,
    bytes,
    max_bytes: maxBytes,
    ttl_seconds: ttlSeconds,
  };
}
