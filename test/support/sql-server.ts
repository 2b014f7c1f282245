import mysql from "mysql2";

/** What the server answers to a statement: rows, how many were changed, or an error. */
export type SqlAnswer =
  | { readonly columns: readonly string[]; readonly rows: readonly (readonly (string | null)[])[] }
  | { readonly affected: number }
  | { readonly error: string };

const VARCHAR = 253;
const UTF8MB4 = 45;

/** A server of the MySQL protocol, by the mysql2 package; what it knows is what the test tells it. */
export class SqlServer implements AsyncDisposable {
  readonly statements: string[] = [];
  readonly port: number;
  readonly #close: () => Promise<void>;

  private constructor(port: number, close: () => Promise<void>) {
    this.port = port;
    this.#close = close;
  }

  static async start(answer: (statement: string) => SqlAnswer): Promise<SqlServer> {
    // The package has no types for its server.
    const server = (mysql as unknown as { createServer(): MysqlServer }).createServer();
    const open = new Set<ServerConnection>();
    const { promise: listening, resolve }: PromiseWithResolvers<void> = Promise.withResolvers();
    server.listen(0, "127.0.0.1", () => resolve());
    await listening;
    const close = async () => {
      for (const connection of open) connection.stream.destroy();
      const { promise, resolve: closed }: PromiseWithResolvers<void> = Promise.withResolvers();
      server.close(() => closed());
      await promise;
    };
    const own = new SqlServer(server._server.address().port, close);
    server.on("connection", (connection) => {
      open.add(connection);
      connection.on("error", () => undefined);
      connection.serverHandshake({
        protocolVersion: 10,
        serverVersion: "8.0.36",
        connectionId: open.size,
        statusFlags: 2,
        characterSet: UTF8MB4,
        // Everything a server of today can, but for encryption.
        capabilityFlags: 0xffffff ^ 0x800,
        authCallback: (_: unknown, done: (error: null) => void) => {
          done(null);
          connection.sequenceId = 0;
        },
      });
      // Each statement begins a new count of packets.
      const reply = (to: SqlAnswer) => {
        write(connection, to);
        connection.sequenceId = 0;
      };
      // What clients set up their session with comes under this name.
      connection.on("stmt_prepare", () => reply({ affected: 0 }));
      connection.on("query", (statement) => {
        own.statements.push(statement);
        reply(answer(statement));
      });
    });
    return own;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

interface ServerConnection {
  readonly stream: { destroy(): void };
  sequenceId: number;
  serverHandshake(options: object): void;
  on(event: "query" | "stmt_prepare", listener: (statement: string) => void): void;
  on(event: "error", listener: () => void): void;
  writeOk(facts: object): void;
  writeError(facts: object): void;
  writeColumns(columns: readonly object[]): void;
  writeTextRow(row: readonly (string | null)[]): void;
  writeEof(): void;
}

interface MysqlServer {
  readonly _server: { address(): { port: number } };
  listen(port: number, host: string, done: () => void): void;
  close(done: () => void): void;
  on(event: "connection", listener: (connection: ServerConnection) => void): void;
}

function write(connection: ServerConnection, answer: SqlAnswer): void {
  if ("error" in answer) connection.writeError({ message: answer.error, code: 1146 });
  else if ("affected" in answer) connection.writeOk({ affectedRows: answer.affected });
  else {
    const columns = answer.columns.map((name) => ({
      catalog: "def",
      schema: "test",
      table: "t",
      orgTable: "t",
      name,
      orgName: name,
      characterSet: UTF8MB4,
      columnLength: 255,
      columnType: VARCHAR,
      type: VARCHAR,
      flags: 0,
      decimals: 0,
    }));
    // Not by the names of columns: some are called the same.
    connection.writeColumns(columns);
    for (const row of answer.rows) connection.writeTextRow(row);
    connection.writeEof();
  }
}
