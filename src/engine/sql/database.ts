import { EngineError } from "../error.ts";
import type { JournalOptions } from "../process/journal.ts";
import { QueryFailure, QueryRun, type Table } from "./query-run.ts";

/** Connections that are kept to the server, and so statements under way at once; others wait. */
const CONNECTIONS = 4;
const CONNECT_SECONDS = 5;
/** Longer answers are cut, so that one statement cannot fill the memory. */
const MOST_ROWS = 10_000;

/** The rows of one statement as Bun gives them when they are asked for raw, with what it knows beside them. */
interface Answer extends ReadonlyArray<readonly (Uint8Array | null)[]> {
  /** Also without rows; empty for a statement that gives none. */
  readonly columns: readonly { readonly name: string }[] | null;
  readonly affectedRows: number | bigint;
}

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
    });
    return this.#client;
  }

  async #ask(client: Bun.SQL, statement: string): Promise<Table> {
    try {
      // By name, columns that are called the same would be one. Bun's types do not know the shape of raw rows.
      const answer = (await client.unsafe(statement).simple().raw()) as unknown as Answer | readonly Answer[];
      return tableOf(answer);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const isConnection =
        error instanceof Error && "code" in error && /CONN|TIMEOUT|AUTH|CLOSED/.test(String(error.code));
      const isQuery = /^\s*\(?\s*(?:select|show|with|describe|desc|explain|values|table)\b/i.test(statement);
      const kind = isConnection ? "DBPingError" : isQuery ? "DBQueryError" : "DBExecError";
      throw new QueryFailure(kind, message, { cause: error });
    }
  }
}

/** What the server answered to the last of the statements. */
function tableOf(answer: Answer | readonly Answer[]): Table {
  const last = "columns" in answer ? answer : answer.at(-1);
  const columns = (last?.columns ?? []).map(({ name }) => name);
  if (columns.length === 0) return { columns: ["affected_rows"], rows: [[Number(last?.affectedRows ?? 0)]] };
  return { columns, rows: (last ?? []).slice(0, MOST_ROWS).map((row) => row.map(textOf)) };
}

/** As the server wrote it (contracts/opensandbox-execd.md, 7.6); what is no UTF-8 gets marks in its place. */
function textOf(cell: Uint8Array | null): string | null {
  return cell === null ? null : Buffer.from(cell.buffer, cell.byteOffset, cell.byteLength).toString();
}
