import type { z } from "zod";
import type { CachedRun } from "../../engine/code/cache.ts";
import type { CodeRequest } from "../../engine/engine.ts";
import { EngineError } from "../../engine/error.ts";
import type { ProcessRun } from "../../engine/process/process-run.ts";
import type { RunOutcome } from "../../engine/run.ts";
import type { Reply, RequestInfo } from "../../http/route.ts";
import type { HopxContext } from "./context.ts";
import { describeRun } from "./result.ts";
import { richFieldsOf } from "./rich-view.ts";
import type { executeRequest } from "./schema.ts";

/** What the cache means for one request that uses it. */
export interface CacheUse {
  /** The kept run to answer with. */
  readonly hit: CachedRun | undefined;
  /** Takes the run that was made instead. */
  readonly keep: (run: ProcessRun, outcome: RunOutcome) => Promise<void>;
}

/**
 * Undefined when neither the request nor a setting asks for the cache.
 * @throws EngineError `invalid` for a time to live that would mean nothing or is above the setting.
 */
export function useCache(
  body: Pick<z.output<typeof executeRequest>, "cache" | "cache_ttl">,
  request: CodeRequest,
  { engine }: HopxContext,
): CacheUse | undefined {
  const { cache } = engine;
  const most = cache.maxTtlSeconds;
  const ttlSeconds = body.cache_ttl ?? most;
  const isAsked = body.cache ?? cache.covers(request.language.id);
  if (body.cache_ttl != null && !isAsked) throw new EngineError("invalid", "cache_ttl: needs cache: true");
  if (ttlSeconds > most) {
    throw new EngineError("invalid", `cache_ttl: expected at most ${most} seconds, got ${ttlSeconds}`);
  }
  const key = isAsked ? engine.cacheKey(request) : undefined;
  if (key === undefined) return undefined;
  const { generation } = cache;
  return {
    hit: cache.find(key, { ttlSeconds, timeoutMs: request.timeoutMs ?? Number.POSITIVE_INFINITY }),
    keep: async (run, outcome) =>
      cache.keep(key, run, outcome, { ttlSeconds, generation, shown: await engine.shownBy(run) }),
  };
}

/** The answer of the run as it was, with the time of this answer and that of the run. */
export async function answerCached(
  { run, outcome, shown, cachedAt, expiresAt }: CachedRun,
  request: RequestInfo,
  { maxOutputBytes }: HopxContext,
  fields: Readonly<Record<string, unknown>>,
): Promise<Reply> {
  request.note({ cached: 1, runId: run.id });
  const body = {
    ...(await describeRun(run, outcome, maxOutputBytes)),
    ...richFieldsOf(shown),
    ...fields,
    cached: true,
    cached_at: cachedAt.toISOString(),
    expires_at: expiresAt.toISOString(),
  };
  return { status: 200, body };
}
