import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { TestDaemon } from "../../support/daemon.ts";
import { eventsOf } from "../../support/event-stream.ts";
import { PtyClient } from "../../support/pty-client.ts";

let daemon: TestDaemon;
let prefix = "";
beforeAll(async () => {
  daemon = await TestDaemon.start();
  const { body } = await json(daemon.execd("/execution/instance"));
  expect(body).toMatchObject({ retention_seconds: 86_400, capacity: 4096 });
  prefix = `${String(body["instance_id"])}.${String(body["issued_at"])}`;
});
afterAll(() => daemon[Symbol.asyncDispose]());

async function json(response: Promise<Response>): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await response;
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const create = (body: object, path = "/command/operations") =>
  json(daemon.execd(path, { method: "POST", body: JSON.stringify(body) }));
const find = (id: string, kind = "command") =>
  json(daemon.execd(`/execution/operation?kind=${kind}`, { headers: { "X-EXECD-OPERATION-ID": id } }));

test("a command under an operation id starts once, whoever asks however often", async () => {
  const counter = join(daemon.workspace, "started");
  const body = { operation_id: `${prefix}.token-one`, command: `echo x >> ${counter}`, background: true };
  const answers = await Promise.all([create(body), create(body), create(body)]);
  const [first] = answers;
  expect(first).toMatchObject({ status: 200, body: { kind: "command", state: "created" } });
  for (const answer of answers) expect(answer).toEqual(first);
  expect(await find(body.operation_id)).toEqual(first);
  await eventsOf(await daemon.execd(`/command/${String(first.body["id"])}/events`));
  expect(await Bun.file(counter).text()).toBe("x\n");
  expect(await create({ ...body, command: "true" })).toMatchObject({
    status: 409,
    body: { code: "operation_conflict" },
  });
});

test("an operation id that is wrong, old, unknown or of another daemon is refused, and nothing runs", async () => {
  const [instance = "", seconds = "0"] = prefix.split(".");
  for (const [id, status, code] of [
    ["nonsense", 400, "invalid_operation_id"],
    [`${instance}.${Number(seconds) + 3600}.token-one`, 400, "invalid_operation_id"],
    [`${instance}.${Number(seconds) - 90_000}.token-one`, 410, "operation_expired"],
    [`${"0".repeat(32)}.${seconds}.token-one`, 409, "operation_instance_mismatch"],
  ] as const) {
    expect(await create({ operation_id: id, command: "true" })).toMatchObject({ status, body: { code } });
    expect(await find(id)).toMatchObject({ status, body: { code } });
  }
  expect(await find(`${prefix}.unknown-token`)).toMatchObject({
    status: 404,
    body: { code: "operation_not_found" },
  });
  const odd = { operation_id: `${prefix}.token-two`, command: "true", unknown: 1 };
  expect((await create(odd)).status).toBe(400);
  expect((await create({ operation_id: `${prefix}.token-two` })).status).toBe(400);
});

test("a terminal session under an operation id is made once, and apart from the commands", async () => {
  const body = { operation_id: `${prefix}.token-pty`, command: "echo made once" };
  const answers = await Promise.all([create(body, "/pty/operations"), create(body, "/pty/operations")]);
  const [first, second] = answers;
  expect(first).toMatchObject({ status: 200, body: { kind: "pty", state: "created" } });
  expect(second).toEqual(first);
  expect(await find(body.operation_id, "pty")).toEqual(first);
  expect((await find(body.operation_id)).status).toBe(404);
  const id = String(first.body["id"]);
  expect(await json(daemon.execd(`/pty/${id}`))).toMatchObject({ status: 200, body: { session_id: id } });
  await using client = await PtyClient.open(daemon, id);
  await client.closed;
  expect(client.text).toBe("made once\r\n");
  const refused = await create({ ...body, command: "another" }, "/pty/operations");
  expect(refused).toMatchObject({ status: 409, body: { code: "operation_conflict" } });
  expect((await create({ ...body, unknown: 1 }, "/pty/operations")).status).toBe(400);
});
