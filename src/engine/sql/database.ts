import { EngineError } from "../error.ts";
import type { JournalOptions } from "../process/journal.ts";
import { QueryFailure, QueryRun, type Table } from "./query-run.ts";

/** Connections that are kept to the server, and so statements under way at once; others wait. */
const CONNECTIONS = 4;
const CONNECT_SECONDS = 5;
/** Longer answers are cut, so that one statement cannot fill the memory. */
const MOST_ROWS = 10_000;

export interface DatabaseOptions {
  /** mysql://user:password@host:port/database; undefined: there is none. */
  readonly sqlUrl: string | undefined;
  readonly journal: JournalOptions;
  /** Told of every statement; gives it back. */
  readonly onRun: (run: QueryRun) => QueryRun;
}

/** The MySQL-compatible server that SQL is run on; connected to at first use, and again when it was lost. */
export class Database implements AsyncDisposable {
  readonly #options: DatabaseOptions;
  #client: Bun.SQL | undefined;

  constructor(options: DatabaseOptions) {
    this.#options = options;
  }

  /** @throws EngineError `unsupported` when no server is named. */
  run(statement: string): QueryRun {
    const { sqlUrl, journal, onRun } = this.#options;
    if (sqlUrl === undefined)
      throw new EngineError(
        "unsupported",
        "Cannot run SQL: no server is named. Name a MySQL-compatible one in SANDERLING_SQL_URL",
      );
    return onRun(new QueryRun(journal, () => this.#ask(this.#connect(sqlUrl), statement)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.close({ timeout: 1 });
  }

  #connect(url: string): Bun.SQL {
    const adapter = "mysql";
    const address = url.replace(/^mariadb:/i, "mysql:");
    this.#client ??= new Bun.SQL(address, {
      adapter,
      max: CONNECTIONS,
      connectionTimeout: CONNECT_SECONDS,
      idleTimeout: 60,
      bigint: true,
    });
    return this.#client;
  }

  async #ask(client: Bun.SQL, statement: string): Promise<Table> {
    const isQuery = /^\s*\(?\s*(?:select|show|with|describe|desc|explain|values|table)\b/i.test(statement);
    try {
      const answer: unknown = await client.unsafe(statement).simple();
      return isQuery ? tableOf(answer) : { columns: ["affected_rows"], rows: [[affected(answer)]] };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const isConnection =
        error instanceof Error && "code" in error && /CONN|TIMEOUT|AUTH|CLOSED/.test(String(error.code));
      const kind = isConnection ? "DBPingError" : isQuery ? "DBQueryError" : "DBExecError";
      throw new QueryFailure(kind, message, { cause: error });
    }
  }
}

function tableOf(answer: unknown): Table {
  const rows = Array.isArray(answer) ? (answer as readonly Readonly<Record<string, unknown>>[]) : [];
  const columns = Object.keys(rows[0] ?? {});
  const shown = rows.slice(0, MOST_ROWS).map((row) => columns.map((column) => cell(row[column])));
  return { columns, rows: shown };
}

/** Every cell that is not null as text, as the reference server has it (contracts/opensandbox-execd.md, 7.6). */
function cell(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean")
    return String(value);
  if (typeof value !== "object" || value === null) return null;
  if (value instanceof Date) return value.toISOString();
  return value instanceof Uint8Array ? Buffer.from(value).toString() : JSON.stringify(value);
}

function affected(answer: unknown): number {
  const count =
    typeof answer === "object" && answer !== null && "affectedRows" in answer ? answer.affectedRows : 0;
  return Number(count);
}
