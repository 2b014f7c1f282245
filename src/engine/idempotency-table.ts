import type { Store } from "./store.ts";

export interface KeyRow {
  readonly fingerprint: string;
  readonly owner: string;
  readonly state: "running" | "answered" | "too_large";
  readonly answer: string | null;
}

/** A larger answer is not kept; a repeat is told so instead of being run again. */
const MOST_ANSWER_BYTES = 32 * 2 ** 20;
/** How many keys are remembered, with how much of answers, for how long; the oldest are forgotten first. */
const RETENTION = { count: 10_000, bytes: 64 * 2 ** 20, ageMs: 24 * 60 * 60 * 1000 };

/** Looking through all keys takes 25 ms where there are 10,000, so it is done when so much has been added. */
const PRUNE_AFTER = { keys: 100, bytes: 4 * 2 ** 20 };

/** The idempotency keys in the database, with what was answered. */
export class IdempotencyTable {
  readonly #store: Store;
  /** Since all were looked through; at first, what the last daemon left may be too much. */
  #added = { keys: PRUNE_AFTER.keys, bytes: 0 };

  constructor(store: Store) {
    this.#store = store;
  }

  find(key: string): KeyRow | undefined {
    const row = this.#store.database
      .query<KeyRow, { key: string; after: number }>(
        "SELECT fingerprint, owner, state, answer FROM idempotency WHERE key = $key AND created_at > $after",
      )
      .get({ key, after: Date.now() - RETENTION.ageMs });
    return row ?? undefined;
  }

  /** Whether the key is now this daemon's: of two with one database the second finds it taken, unless it is too old. */
  claim(key: string, fingerprint: string): boolean {
    if (this.#added.keys >= PRUNE_AFTER.keys || this.#added.bytes >= PRUNE_AFTER.bytes) this.#prune();
    this.#added.keys++;
    const now = Date.now();
    const { changes } = this.#store.database
      .query(
        `INSERT INTO idempotency (key, fingerprint, owner, state, created_at)
         VALUES ($key, $fingerprint, $owner, 'running', $now)
         ON CONFLICT (key) DO UPDATE SET fingerprint = $fingerprint, owner = $owner, state = 'running', bytes = 0,
           created_at = $now, answer = NULL WHERE created_at <= $before`,
      )
      .run({ key, fingerprint, owner: this.#store.owner, now, before: now - RETENTION.ageMs });
    return changes > 0;
  }

  release(key: string): void {
    this.#store.database.query("DELETE FROM idempotency WHERE key = $key").run({ key });
  }

  keep(key: string, answer: string): void {
    const bytes = Buffer.byteLength(answer);
    this.#added.bytes += bytes;
    const kept = bytes <= MOST_ANSWER_BYTES ? { state: "answered", answer, bytes } : TOO_LARGE;
    this.#store.database
      .query("UPDATE idempotency SET state = $state, answer = $answer, bytes = $bytes WHERE key = $key")
      .run({ key, ...kept });
  }

  /** What this daemon works on stays; of the rest the oldest goes until it is within bounds. */
  #prune(): void {
    this.#store.database
      .query(
        `DELETE FROM idempotency WHERE created_at <= $before OR key IN (
           SELECT key FROM (
             SELECT key, state, owner, row_number() OVER newest AS place, sum(bytes) OVER newest AS total
             FROM idempotency WINDOW newest AS (ORDER BY created_at DESC, key ROWS UNBOUNDED PRECEDING))
           WHERE (place > $count OR total > $bytes) AND NOT (state = 'running' AND owner = $owner))`,
      )
      .run({
        before: Date.now() - RETENTION.ageMs,
        count: RETENTION.count,
        bytes: RETENTION.bytes,
        owner: this.#store.owner,
      });
    this.#added = { keys: 0, bytes: 0 };
  }
}

const TOO_LARGE = { state: "too_large", answer: null, bytes: 0 };
