import { expect, test } from "bun:test";
import { TestDaemon } from "../../support/daemon.ts";
import { eventsOf, type StreamEvent } from "../../support/event-stream.ts";
import { SqlServer, type SqlAnswer } from "../../support/sql-server.ts";

const ask = async (daemon: TestDaemon, code: string): Promise<StreamEvent[]> =>
  eventsOf(
    await daemon.execd("/code", {
      method: "POST",
      body: JSON.stringify({ code, context: { language: "sql" } }),
    }),
  );

function answer(statement: string): SqlAnswer {
  if (statement.includes("missing")) return { error: "Table 'test.missing' doesn't exist" };
  if (/^insert/i.test(statement)) return { affected: 3 };
  if (statement.includes("empty")) return { columns: ["id", "name"], rows: [] };
  if (statement.includes("JOIN"))
    return {
      columns: ["id", "name", "id", "2"],
      rows: [
        ["1", "a", "10", "2024-05-06 07:08:09"],
        ["2", "", null, "18446744073709551615"],
      ],
    };
  return {
    columns: ["id", "name"],
    rows: [
      ["1", "grün"],
      ["2", null],
    ],
  };
}

test("SQL runs on the server that the setting names", async () => {
  await using server = await SqlServer.start(answer);
  const url = `mysql://root@127.0.0.1:${server.port}/test`;
  await using daemon = await TestDaemon.start({ env: { SANDERLING_SQL_URL: url } });
  const rows = await ask(daemon, "SELECT id, name FROM t");
  expect(rows.map(({ type }) => type)).toEqual(["init", "execution_count", "result", "execution_complete"]);
  expect(rows[0]?.text).toMatch(/^[0-9a-f-]{36}$/);
  expect(JSON.parse(String(rows[2]?.results?.["text"]))).toEqual({
    columns: ["id", "name"],
    rows: [
      ["1", "grün"],
      ["2", null],
    ],
  });
  const changed = await ask(daemon, "INSERT INTO t VALUES (1), (2), (3)");
  expect(changed[2]?.results?.["text"]).toBe('{"columns":["affected_rows"],"rows":[[3]]}');
  const failed = await ask(daemon, "SELECT * FROM missing");
  expect(failed.at(-1)?.error).toMatchObject({ ename: "DBQueryError" });
  expect(failed.at(-1)?.error?.evalue).toContain("doesn't exist");
  expect(server.statements).toContain("SELECT id, name FROM t");
});

test("a table keeps all its columns in order, also with equal names and without rows", async () => {
  await using server = await SqlServer.start(answer);
  const url = `mysql://root@127.0.0.1:${server.port}/test`;
  await using daemon = await TestDaemon.start({ env: { SANDERLING_SQL_URL: url } });
  const tableOf = async (statement: string): Promise<unknown> =>
    JSON.parse(String((await ask(daemon, statement))[2]?.results?.["text"]));
  expect(await tableOf("SELECT * FROM a JOIN b")).toEqual({
    columns: ["id", "name", "id", "2"],
    rows: [
      ["1", "a", "10", "2024-05-06 07:08:09"],
      ["2", "", null, "18446744073709551615"],
    ],
  });
  expect(await tableOf("SELECT id, name FROM empty")).toEqual({ columns: ["id", "name"], rows: [] });
  // Which statements give a table the server knows best.
  expect(await tableOf("CALL list_of_empty()")).toEqual({ columns: ["id", "name"], rows: [] });
});

test("without a server SQL is refused, and with one that is not there the error says so", async () => {
  await using without = await TestDaemon.start();
  const refused = await without.execd("/code", {
    method: "POST",
    body: JSON.stringify({ code: "SELECT 1", context: { language: "sql" } }),
  });
  expect(refused.status).toBe(501);
  expect(await refused.text()).toContain("SANDERLING_SQL_URL");
  await using absent = await TestDaemon.start({
    env: { SANDERLING_SQL_URL: "mysql://root@127.0.0.1:1/test" },
  });
  const events = await ask(absent, "SELECT 1");
  expect(events.map(({ type }) => type)).toEqual(["init", "status", "error"]);
  expect(events[2]?.error?.ename).toBe("DBPingError");
});
