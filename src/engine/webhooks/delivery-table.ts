import type { Store } from "../store.ts";
import type { WebhookTarget } from "./target-request.ts";

/** One delivery as it is kept. Times are milliseconds since 1970. */
export interface Delivery {
  /** What it tells of, for example an execution. */
  readonly id: string;
  /** The same for every attempt, so that a receiver can tell a repeat. */
  readonly deliveryId: string;
  readonly url: string;
  readonly headers: string;
  readonly headerPrefix: string;
  readonly secret: string | null;
  /** `waiting` until there is something to deliver. */
  readonly state: "waiting" | "pending" | "delivered" | "failed";
  readonly body: string | null;
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  readonly nextAttemptAt: number | null;
  readonly createdAt: number;
  readonly finishedAt: number | null;
}

export type DeliveryUpdate = Pick<
  Delivery,
  "state" | "attempts" | "lastStatus" | "lastError" | "nextAttemptAt" | "finishedAt"
>;

export interface Retention {
  readonly count: number;
  readonly bytes: number;
  readonly ageMs: number;
}

const COLUMNS = `id, delivery_id AS deliveryId, url, headers, header_prefix AS headerPrefix, secret, state, body,
  attempts, last_status AS lastStatus, last_error AS lastError, next_attempt_at AS nextAttemptAt,
  created_at AS createdAt, finished_at AS finishedAt`;

/** The deliveries in the database, and who works on them. */
export class DeliveryTable {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  get(id: string): Delivery | null {
    return this.#query<Delivery, { id: string }>(`SELECT ${COLUMNS} FROM deliveries WHERE id = $id`).get({
      id,
    });
  }

  insert(id: string, { url, headers, headerPrefix, secret }: WebhookTarget): void {
    this.#query(
      `INSERT INTO deliveries (id, delivery_id, owner, url, headers, header_prefix, secret, state, created_at)
       VALUES ($id, $deliveryId, $owner, $url, $headers, $headerPrefix, $secret, 'waiting', $now)`,
    ).run({
      id,
      deliveryId: `dlv_${Bun.randomUUIDv7().replaceAll("-", "")}`,
      owner: this.#store.owner,
      url,
      headers: JSON.stringify(headers),
      headerPrefix,
      secret: secret ?? null,
      now: Date.now(),
    });
  }

  remove(id: string): void {
    this.#query("DELETE FROM deliveries WHERE id = $id").run({ id });
  }

  setBody(id: string, body: string): void {
    this.#query(
      `UPDATE deliveries SET body = $body, bytes = $bytes, state = 'pending', next_attempt_at = $now
       WHERE id = $id AND state = 'waiting'`,
    ).run({ id, body, bytes: Buffer.byteLength(body), now: Date.now() });
  }

  update(id: string, change: DeliveryUpdate): void {
    this.#query(
      `UPDATE deliveries SET state = $state, attempts = $attempts, last_status = $lastStatus,
         last_error = $lastError, next_attempt_at = $nextAttemptAt, finished_at = $finishedAt,
         owner = $owner WHERE id = $id`,
    ).run({ ...change, id, owner: this.#store.owner });
  }

  /** The next of this daemon's own deliveries, soonest first, without those named. */
  next(except: Iterable<string>, limit: number): { id: string; nextAttemptAt: number }[] {
    return this.#query<
      { id: string; nextAttemptAt: number },
      { owner: string; except: string; limit: number }
    >(
      `SELECT id, next_attempt_at AS nextAttemptAt FROM deliveries
       WHERE owner = $owner AND state = 'pending' AND id NOT IN (SELECT value FROM json_each($except))
       ORDER BY next_attempt_at LIMIT $limit`,
    ).all({ owner: this.#store.owner, except: JSON.stringify([...except]), limit });
  }

  /** Takes over what daemons that are gone left unfinished. */
  adopt(): void {
    const owners = this.#query<{ owner: string }, []>(
      "SELECT DISTINCT owner FROM deliveries WHERE state IN ('waiting', 'pending')",
    ).all();
    for (const dead of this.#store.deadOwners(owners.map(({ owner }) => owner))) {
      this.#query("UPDATE deliveries SET owner = $owner WHERE owner = $dead").run({
        owner: this.#store.owner,
        dead,
      });
    }
  }

  /** This daemon's own that have nothing to deliver yet. */
  waiting(): { id: string; headerPrefix: string }[] {
    return this.#query<{ id: string; headerPrefix: string }, { owner: string }>(
      `SELECT id, header_prefix AS headerPrefix FROM deliveries WHERE owner = $owner AND state = 'waiting'`,
    ).all({ owner: this.#store.owner });
  }

  unfinished(): { count: number; bytes: number } {
    const found = this.#query<{ count: number; bytes: number }, []>(
      "SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM deliveries WHERE finished_at IS NULL",
    ).get();
    return found ?? { count: 0, bytes: 0 };
  }

  /** How many there are in each state. */
  counts(): Record<string, number> {
    const none = { waiting: 0, pending: 0, delivered: 0, failed: 0 };
    const rows = this.#query<{ state: string; count: number }, []>(
      "SELECT state, count(*) AS count FROM deliveries GROUP BY state",
    ).all();
    return { ...none, ...Object.fromEntries(rows.map(({ state, count }) => [state, count])) };
  }

  /** Forgets the oldest of those that are over until the rest is within bounds; the newest always stays. */
  prune({ count, bytes, ageMs }: Retention): void {
    this.#query(
      `DELETE FROM deliveries WHERE id IN (
         SELECT id FROM (
           SELECT id, finished_at, row_number() OVER newest AS place, sum(bytes) OVER newest AS total
           FROM deliveries WHERE finished_at IS NOT NULL
           WINDOW newest AS (ORDER BY finished_at DESC, id ROWS UNBOUNDED PRECEDING))
         WHERE place > $count OR (total > $bytes AND place > 1) OR finished_at < $before)`,
    ).run({ count, bytes, before: Date.now() - ageMs });
  }

  #query<Row, Values extends Record<string, string | number | null> | []>(sql: string) {
    return this.#store.database.query<Row, Values>(sql);
  }
}
