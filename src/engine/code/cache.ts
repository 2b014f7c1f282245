import type { RichEvent, RunOutcome } from "../run.ts";
import { copyRun, hasLetGo, type EndedRun, type PrintedRun } from "./cached-copy.ts";
import type { LanguageId } from "./languages.ts";

export interface CacheOptions {
  /** Bytes of all that is kept; 0 keeps nothing. */
  readonly cacheBytes: number;
  /** How long a result is kept at most, and unless its request says less. */
  readonly cacheTtlSeconds: number;
  /** Languages whose runs are kept without being asked to. */
  readonly cacheLanguages: readonly LanguageId[];
}

export interface CachedRun {
  readonly run: PrintedRun;
  readonly outcome: RunOutcome;
  /** What it showed beside what it printed. */
  readonly shown: readonly RichEvent[];
  /** When the run had ended. */
  readonly cachedAt: Date;
  readonly expiresAt: Date;
}

interface Entry extends CachedRun {
  readonly bytes: number;
}

/** One run's result may take up this part of the cache, so that it cannot drive out everything else. */
const LARGEST_PART = 1 / 4;
/** What an entry takes beside its output, roughly. */
const OVERHEAD_BYTES = 512;

/**
 * Results of successful runs, in memory, by everything that they were made from (`cacheKey`). Bounded in bytes,
 * where what was not used for longest makes room, and in age.
 */
export class RunCache {
  readonly #options: CacheOptions;
  readonly #now: () => number;
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>();
  readonly #counts = { hits: 0, misses: 0, evictions: 0 };
  #bytes = 0;
  /** Goes up when everything is dropped: a run that began before must not put its result back. */
  #generation = 0;

  constructor(options: CacheOptions, now: () => number = Date.now) {
    this.#options = options;
    this.#now = now;
  }

  get generation(): number {
    return this.#generation;
  }

  get maxTtlSeconds(): number {
    return this.#options.cacheTtlSeconds;
  }

  covers(language: LanguageId): boolean {
    return this.#options.cacheLanguages.includes(language);
  }

  /** A kept run that is not older than asked and would have ended within `timeoutMs`. Counts a hit or a miss. */
  find(key: string, wanted: { ttlSeconds: number; timeoutMs: number }): CachedRun | undefined {
    const entry = this.#entries.get(key);
    if (!entry || !this.#isYoung(entry, wanted.ttlSeconds) || entry.outcome.durationMs > wanted.timeoutMs) {
      this.#counts.misses++;
      return undefined;
    }
    this.#counts.hits++;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  /**
   * Keeps a run that has ended with success and left nothing running, when all it printed is still there and
   * fits.
   * @param generation The cache's when the run began.
   */
  async keep(
    key: string,
    run: EndedRun,
    outcome: RunOutcome,
    {
      ttlSeconds,
      generation,
      shown = [],
    }: { ttlSeconds: number; generation: number; shown?: readonly RichEvent[] },
  ): Promise<void> {
    const { end, totals } = outcome;
    const shownBytes = shown.length === 0 ? 0 : Buffer.byteLength(JSON.stringify(shown));
    const bytes = totals.stdout + totals.stderr + shownBytes + OVERHEAD_BYTES;
    if (end.cause !== "exited" || end.code !== 0) return;
    if (bytes > this.#options.cacheBytes * LARGEST_PART) return;
    const cachedAt = this.#now();
    const copy = await copyRun(run, outcome);
    if (copy === undefined || !(await hasLetGo(run)) || generation !== this.#generation) return;
    this.#drop(key);
    const expiresAt = new Date(cachedAt + ttlSeconds * 1000);
    this.#entries.set(key, { run: copy, outcome, shown, cachedAt: new Date(cachedAt), expiresAt, bytes });
    this.#bytes += bytes;
    this.#evict();
  }

  /** Drops everything and says how much that was; counts go on. */
  clear(): { entries: number; bytes: number } {
    const dropped = { entries: this.#entries.size, bytes: this.#bytes };
    this.#entries.clear();
    this.#bytes = 0;
    this.#generation++;
    return dropped;
  }

  stats() {
    this.#dropExpired();
    const { hits, misses } = this.#counts;
    return {
      ...this.#counts,
      entries: this.#entries.size,
      bytes: this.#bytes,
      maxBytes: this.#options.cacheBytes,
      ttlSeconds: this.#options.cacheTtlSeconds,
      /** 0 to 1; 0 before anybody asked. */
      hitRate: hits === 0 ? 0 : hits / (hits + misses),
    };
  }

  #isYoung({ cachedAt, expiresAt }: CachedRun, ttlSeconds: number): boolean {
    const now = this.#now();
    return now < expiresAt.getTime() && now - cachedAt.getTime() < ttlSeconds * 1000;
  }

  /** What nobody asks for again makes room like everything else, or goes here. */
  #dropExpired(): void {
    const now = this.#now();
    for (const [key, { expiresAt }] of this.#entries) if (expiresAt.getTime() <= now) this.#drop(key);
  }

  #evict(): void {
    for (const key of this.#entries.keys()) {
      if (this.#bytes <= this.#options.cacheBytes) return;
      this.#drop(key);
      this.#counts.evictions++;
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }
}
