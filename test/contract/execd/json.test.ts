import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { TestDaemon } from "../../support/daemon.ts";
import { eventsOf, textsOf } from "../../support/event-stream.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const post = (path: string, body: string) => daemon.execd(path, { method: "POST", body });

/** What `echo` of the command printed. */
const printed = async (body: string) => textsOf(await eventsOf(await post("/command", body)), "stdout");

test("members are known by their name in any case, and the last spelling counts", async () => {
  expect(await printed('{"Command":"echo $GREETING","ENVS":{"GREETING":"hi","greeting":"no"}}')).toEqual([
    "hi",
  ]);
  expect(await printed('{"COMMAND":"echo first","command":"echo last"}')).toEqual(["last"]);
  expect(await printed('{"command":"echo first","COMMAND":"echo last"}')).toEqual(["last"]);
});

test("names inside lists, maps and optional members are known in any case, and keys of maps are kept", async () => {
  const directory = join(daemon.directory, "Names");
  await post("/directories", JSON.stringify({ [directory]: { Mode: 700 } }));
  const info = (await (await daemon.execd(`/files/info?path=${directory}`)).json()) as Record<
    string,
    { mode: number }
  >;
  expect(info[directory]?.mode).toBe(700);
  const moved = await post("/files/mv", JSON.stringify([{ Src: directory, DEST: `${directory}2` }]));
  expect(moved.status).toBe(200);
  expect(existsSync(`${directory}2`)).toBe(true);
  const sql = await post("/code", '{"Code":"SELECT 1","Context":{"Language":"sql"}}');
  expect(await sql.text()).toContain("SANDERLING_SQL_URL");
  const form = new FormData();
  form.append("metadata", new Blob([JSON.stringify({ PATH: `${directory}2/new`, Mode: 600 })]), "metadata");
  form.append("file", new Blob(["new"]), "new");
  expect((await daemon.execd("/files/upload", { method: "POST", body: form })).status).toBe(200);
  expect(statSync(`${directory}2/new`).mode & 0o777).toBe(0o600);
});

test("what follows the first value is not read", async () => {
  expect(await printed('{"command":"echo \\"one}\\"; echo two"} and {"command": ')).toEqual(["one}", "two"]);
  const moved = await post("/files/mv", "[] ]");
  expect(moved.status).toBe(200);
});

test("a first value that is broken is refused with what is wrong with it", async () => {
  for (const [body, reason] of [
    ['{"command":"echo hi"', /Expected '}'/],
    ['{"command" "echo hi"}', /:/],
    ["", /command/],
    ["hello", /Unexpected/],
    ['{"command":1}', /command: .*string/],
    ['{"Command":1}', /command: .*string/],
  ] as const) {
    const refused = await post("/command", body);
    expect(refused.status).toBe(400);
    const { code, message } = (await refused.json()) as { code: string; message: string };
    expect(code).toBe("INVALID_REQUEST_BODY");
    expect(message).toMatch(reason);
  }
});
