import type { RequestRecord } from "./api.ts";

/** What is known of the requests to one row of a table. */
export interface RouteStats {
  readonly count: number;
  readonly averageMs: number;
  /** 95 of 100 took no longer; exact to a tenth. */
  readonly p95Ms: number;
}

/** Each is a tenth longer than the one before: from a hundredth of a millisecond to beyond an hour. */
const STEP = Math.log(1.1);
const LEAST_MS = 0.01;
const BUCKETS = 240;

/** Counts the requests of an API, in memory that does not grow with them: one row a route, which are few. */
export class RequestStats {
  readonly #routes = new Map<string, RouteCount>();
  #faults = 0;
  #refusals = 0;

  add({ route, status, ms }: RequestRecord): void {
    const known = this.#routes.get(route);
    const count = known ?? new RouteCount();
    if (known === undefined) this.#routes.set(route, count);
    count.add(ms);
    if (status >= 500) this.#faults++;
    if (status >= 400) this.#refusals++;
  }

  /** Answers with a status of 500 and above. */
  get faults(): number {
    return this.#faults;
  }

  /** Answers with a status of 400 and above. */
  get refusals(): number {
    return this.#refusals;
  }

  routes(): Readonly<Record<string, RouteStats>> {
    return Object.fromEntries([...this.#routes].map(([route, count]) => [route, count.summary()]));
  }
}

class RouteCount {
  readonly #buckets = new Uint32Array(BUCKETS);
  #count = 0;
  #sumMs = 0;

  add(ms: number): void {
    const bucket = Math.ceil(Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / STEP);
    const index = Math.min(BUCKETS - 1, bucket);
    this.#buckets[index] = (this.#buckets[index] ?? 0) + 1;
    this.#count++;
    this.#sumMs += ms;
  }

  summary(): RouteStats {
    const averageMs = this.#count === 0 ? 0 : this.#sumMs / this.#count;
    return { count: this.#count, averageMs: round(averageMs), p95Ms: round(this.#quantile(0.95)) };
  }

  #quantile(share: number): number {
    let left = share * this.#count;
    for (const [index, count] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0 && count > 0) return LEAST_MS * Math.exp(STEP * index);
    }
    return 0;
  }
}

function round(ms: number): number {
  return Math.round(100 * ms) / 100;
}
