import { Database, SQLiteError } from "bun:sqlite";
import { chmodSync, closeSync, existsSync, openSync, renameSync, statSync } from "node:fs";
import { EngineError } from "./error.ts";
import { MIGRATIONS } from "./store-migrations.ts";
import { claimOwner, isOwnerAlive } from "./store-owner.ts";

type Notice = (notice: string, details?: Readonly<Record<string, unknown>>) => void;

/** What a database is, where it is not the daemon's own. */
export interface StoreOptions {
  readonly migrations: readonly string[];
  /** NORMAL: the machine's own crash may lose the latest transactions, and none waits for the disk. */
  readonly synchronous: "FULL" | "NORMAL";
}

const OWN: StoreOptions = { migrations: MIGRATIONS, synchronous: "FULL" };

/** Another daemon with the same data directory may hold the lock for as long as one short transaction. */
const BUSY_MS = 5000;
/** What the write-ahead log keeps of the disk once it has been emptied. */
const MOST_LOG_BYTES = 16 * 2 ** 20;

/** Checking reads the whole file; a larger one is checked only when the last daemon did not close it. */
const QUICKLY_CHECKED_BYTES = 4 * 2 ** 20;

/**
 * What must outlive the daemon, in one SQLite file that only its user may read. A transaction that has been
 * committed is on the disk: the write-ahead log is synced each time, because rows are few and promises are made.
 */
export class Store implements Disposable {
  readonly database: Database;
  /** Written into rows that only this daemon works on. */
  readonly owner: string;
  readonly #claim: ReturnType<typeof claimOwner>;

  private constructor(database: Database) {
    this.database = database;
    this.#claim = claimOwner();
    this.owner = this.#claim.owner;
  }

  /**
   * A damaged file is put aside under another name, with a notice, and a new one begun.
   * @throws EngineError `unavailable` when it cannot be used or was made by a later version.
   */
  static open(path: string, onNotice: Notice, options = OWN): Store {
    try {
      return new Store(openSound(path, options));
    } catch (error) {
      if (!isDamage(error)) throw unusable(path, error);
    }
    const kept = putAside(path);
    onNotice("the database was damaged and has been put aside; what it held is not known any more", { kept });
    try {
      return new Store(openSound(path, options));
    } catch (error) {
      throw unusable(path, error);
    }
  }

  /** Of these owners the ones that will never come back. */
  deadOwners(owners: readonly string[]): string[] {
    return owners.filter((owner) => !isOwnerAlive(owner));
  }

  /**
   * Writes something that must be on the disk before anything else is done.
   * @throws EngineError `unavailable` when it cannot be, for example on a full disk; a second try may find room.
   */
  write<T>(what: string, write: () => T): T {
    try {
      return write();
    } catch (cause) {
      if (!(cause instanceof SQLiteError)) throw cause;
      throw new EngineError("unavailable", `Cannot keep ${what}: ${cause.message}`, { cause });
    }
  }

  [Symbol.dispose](): void {
    this.#claim.release();
    this.database.close();
  }
}

function openSound(path: string, { migrations, synchronous }: StoreOptions): Database {
  // SQLite gives its other files the mode of the first one, which must be right before anything is in it.
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
  // SQLite removes its log when it is closed, so that it is there only after a crash.
  const isSuspect = existsSync(`${path}-wal`) || statSync(path).size <= QUICKLY_CHECKED_BYTES;
  const database = new Database(path, { strict: true });
  try {
    database.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
    database.run("PRAGMA journal_mode = WAL");
    database.run(`PRAGMA synchronous = ${synchronous}`);
    database.run(`PRAGMA journal_size_limit = ${MOST_LOG_BYTES}`);
    if (isSuspect) requireSound(database);
    migrate(database, migrations);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function requireSound(database: Database): void {
  const check = database.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").get();
  if (check?.quick_check !== "ok") throw new Damage(check?.quick_check);
}

function migrate(database: Database, migrations: readonly string[]): void {
  database
    .transaction(() => {
      const row = database.query<{ user_version: number }, []>("PRAGMA user_version").get();
      const version = row?.user_version ?? 0;
      if (version > migrations.length) {
        throw new Error(`it has version ${version}, this daemon knows up to ${migrations.length}`);
      }
      for (const step of migrations.slice(version)) database.run(step);
      // Not written when it is so: a daemon must be able to start on a full disk.
      if (version < migrations.length) database.run(`PRAGMA user_version = ${migrations.length}`);
    })
    .immediate();
}

class Damage extends Error {}

function isDamage(error: unknown): boolean {
  if (error instanceof Damage) return true;
  return error instanceof SQLiteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code ?? "");
}

function putAside(path: string): string {
  const kept = `${path}.damaged-${Date.now()}`;
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(path + suffix)) renameSync(path + suffix, kept + suffix);
  }
  return kept;
}

function unusable(path: string, cause: unknown): EngineError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new EngineError("unavailable", `Cannot use the database ${path}: ${reason}`, { cause });
}
