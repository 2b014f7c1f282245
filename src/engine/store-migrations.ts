/**
 * The steps from an empty database to the present one. The database counts how many it has taken; a step that
 * has been released is never changed, only followed by another. Times are milliseconds since 1970. What may be
 * large is the last column: to read one behind it, SQLite would have to walk through all of it.
 */
export const MIGRATIONS: readonly string[] = [
  // 1: webhook deliveries. `body` is null until there is something to deliver.
  `CREATE TABLE deliveries (
     id TEXT PRIMARY KEY,
     delivery_id TEXT NOT NULL,
     owner TEXT NOT NULL,
     url TEXT NOT NULL,
     headers TEXT NOT NULL,
     header_prefix TEXT NOT NULL,
     secret TEXT,
     state TEXT NOT NULL CHECK (state IN ('waiting', 'pending', 'delivered', 'failed')),
     bytes INTEGER NOT NULL DEFAULT 0,
     attempts INTEGER NOT NULL DEFAULT 0,
     last_status INTEGER,
     last_error TEXT,
     next_attempt_at INTEGER,
     created_at INTEGER NOT NULL,
     finished_at INTEGER,
     body TEXT
   ) STRICT;
   CREATE INDEX deliveries_due ON deliveries (state, next_attempt_at);`,
  // 2: answers by idempotency key. `answer` is null while the first request is under way, and when it was lost.
  `CREATE TABLE idempotency (
     key TEXT PRIMARY KEY,
     fingerprint TEXT NOT NULL,
     owner TEXT NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('running', 'answered', 'too_large')),
     bytes INTEGER NOT NULL DEFAULT 0,
     created_at INTEGER NOT NULL,
     answer TEXT
   ) STRICT;
   CREATE INDEX idempotency_age ON idempotency (created_at);`,
];
