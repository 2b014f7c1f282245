import type { Store } from "../store.ts";
import type { RecordedEntry, TimelineEntry, TimelineKind } from "./entry.ts";

/** As the steps of `store-migrations.ts`. Nothing here is worth a write of its own: a lost second is lost. */
export const TIMELINE_MIGRATIONS: readonly string[] = [
  `CREATE TABLE entries (
     sequence INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL UNIQUE,
     revision INTEGER NOT NULL,
     kind TEXT NOT NULL,
     started_at INTEGER NOT NULL,
     owner TEXT,
     facts TEXT NOT NULL
   ) STRICT;
   CREATE INDEX entries_revision ON entries (revision);
   CREATE INDEX entries_time ON entries (started_at);
   CREATE INDEX entries_kind ON entries (kind, sequence);
   CREATE INDEX entries_owner ON entries (owner) WHERE owner IS NOT NULL;`,
];

export interface TimelineQuery {
  /** Empty: all. */
  readonly kinds: readonly TimelineKind[];
  /** Milliseconds since 1970, of the start; the first included, the second not. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Only entries whose sequence is below. */
  readonly before?: number | undefined;
  readonly limit: number;
}

export interface Retention {
  readonly count: number;
  readonly ageMs: number;
}

interface Row {
  readonly sequence: number;
  readonly revision: number;
  readonly facts: string;
}

/** The rows of the record. */
export class TimelineTable {
  readonly #store: Store;
  /** The highest ever given: the entry that had it may be forgotten. */
  #revision = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Writes entries, new or changed, in one transaction, and forgets what is too old or too many. */
  write(entries: Iterable<TimelineEntry>, { count, ageMs }: Retention): void {
    const { database, owner } = this.#store;
    const put = database.query(
      `INSERT INTO entries (id, revision, kind, started_at, owner, facts)
       VALUES ($id, $revision, $kind, $startedAt, $owner, $facts)
       ON CONFLICT (id) DO UPDATE SET revision = $revision, owner = $owner, facts = $facts`,
    );
    database
      .transaction(() => {
        let revision = this.revision;
        for (const entry of entries) {
          const { id, kind, startedAt } = entry;
          const underWay = entry.end === undefined ? owner : null;
          const facts = JSON.stringify(entry);
          put.run({ id, revision: ++revision, kind, startedAt, owner: underWay, facts });
        }
        this.#revision = revision;
        database
          .query("DELETE FROM entries WHERE sequence <= (SELECT max(sequence) FROM entries) - ?")
          .run(count);
        database.query("DELETE FROM entries WHERE started_at < ?").run(Date.now() - ageMs);
      })
      .immediate();
  }

  /** Of the latest change. */
  get revision(): number {
    const { database } = this.#store;
    const row = database
      .query<{ last: number | null }, []>("SELECT max(revision) AS last FROM entries")
      .get();
    return Math.max(this.#revision, row?.last ?? 0);
  }

  /** Newest first. */
  list({ kinds, since, until, before, limit }: TimelineQuery): RecordedEntry[] {
    const rows = this.#store.database
      .query<Row, (string | number)[]>(
        `SELECT sequence, revision, facts FROM entries
         WHERE sequence < ? AND started_at >= ? AND started_at < ?
         ${kinds.length === 0 ? "" : `AND kind IN (${kinds.map(() => "?").join()})`}
         ORDER BY sequence DESC LIMIT ?`,
      )
      .all(before ?? Number.MAX_SAFE_INTEGER, since ?? 0, until ?? Number.MAX_SAFE_INTEGER, ...kinds, limit);
    return rows.map(toEntry);
  }

  /** What was added or changed after a revision, in order of change. */
  changes(after: number, limit: number): RecordedEntry[] {
    return this.#store.database
      .query<Row, [number, number]>(
        "SELECT sequence, revision, facts FROM entries WHERE revision > ? ORDER BY revision LIMIT ?",
      )
      .all(after, limit)
      .map(toEntry);
  }

  /** What daemons that are gone left without an end will never be told one. */
  endAbandoned(): void {
    const { database } = this.#store;
    const owners = database
      .query<{ owner: string }, []>("SELECT DISTINCT owner FROM entries WHERE owner IS NOT NULL")
      .all()
      .map(({ owner }) => owner);
    for (const owner of this.#store.deadOwners(owners)) {
      database
        .query(
          `UPDATE entries SET owner = NULL, facts = json_set(facts, '$.end', json('{"cause":"unknown"}'))
           WHERE owner = ?`,
        )
        .run(owner);
    }
  }
}

/** Safe: this class alone writes the rows, and from that type. */
function toEntry({ sequence, revision, facts }: Row): RecordedEntry {
  return { ...(JSON.parse(facts) as TimelineEntry), sequence, revision };
}
