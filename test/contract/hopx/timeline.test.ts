import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { RECORDED_ROWS as EXECD_ROWS } from "../../../src/protocols/execd/recorded.ts";
import { execdRoutes } from "../../../src/protocols/execd/routes.ts";
import { RECORDED_ROWS as HOPX_ROWS } from "../../../src/protocols/hopx/recorded.ts";
import { hopxRoutes } from "../../../src/protocols/hopx/routes.ts";
import { runProgram } from "../../support/clients.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { SocketClient } from "../../support/socket-client.ts";
import { until } from "../../support/engine.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

interface Entry {
  readonly id: string;
  readonly kind: string;
  readonly action: string;
  readonly time: string;
  readonly duration_ms: number | null;
  readonly end: { readonly cause: string; readonly exit_code?: number; readonly status?: number } | null;
  readonly paths?: readonly string[];
  readonly bytes: Readonly<Record<string, number>>;
  readonly api: string;
  readonly caller: string;
  readonly client: string;
  readonly request_id: string;
  readonly sequence: number;
  readonly revision: number;
}

const list = async (query = "") =>
  (await (await daemon.fetch(`/timeline${query}`)).json()) as {
    entries: Entry[];
    next_cursor: number | null;
  };

describe("GET /timeline", () => {
  test("has what was done through both APIs, by whom, and nothing of what it was", async () => {
    const secret = "s3cr3t-that-nobody-may-find";
    const path = join(daemon.workspace, "noted.txt");
    await daemon.post("/files/write", { path, content: secret }, { headers: { "x-request-id": "write-1" } });
    await daemon.post("/commands/run", { command: `echo ${secret}; exit 4`, env: { TOKEN: secret } });
    await daemon.post("/execute", { code: `echo ${secret}`, language: "bash" });
    await daemon.fetch("/env", { method: "PATCH", body: JSON.stringify({ env_vars: { KEY: secret } }) });
    await daemon
      .execd("/command", { method: "POST", body: JSON.stringify({ command: `echo ${secret}` }) })
      .then((response) => response.text());
    const moved = [{ src: path, dest: `${path}.moved` }];
    await daemon.execd("/files/mv", { method: "POST", body: JSON.stringify(moved) });
    await daemon.fetch(`/files/remove?path=${encodeURIComponent(path)}`, { method: "DELETE" });
    const { entries, next_cursor } = await list();
    expect(next_cursor).toBeNull();
    expect(entries.map(({ api, kind, action, end }) => [api, kind, action, end?.cause])).toEqual([
      ["hopx", "file", "remove", "refused"],
      ["execd", "file", "move", "done"],
      ["execd", "command", "run", "exited"],
      ["hopx", "environment", "change", "done"],
      ["hopx", "code", "run", "exited"],
      ["hopx", "command", "run", "exited"],
      ["hopx", "file", "write", "done"],
    ]);
    const [removed, move, , changed, , command, write] = entries;
    expect(changed?.bytes).toEqual({});
    expect(removed?.end).toEqual({ cause: "refused", status: 404 });
    expect(move?.paths).toEqual([path, `${path}.moved`]);
    expect(command).toMatchObject({ end: { exit_code: 4 }, bytes: { stdout: secret.length + 1, stderr: 0 } });
    expect(write).toMatchObject({ paths: [path], caller: "127.0.0.1", request_id: "write-1" });
    expect(write?.client).toContain("Bun/");
    expect(write?.bytes["input"]).toBeGreaterThan(secret.length);
    expect(JSON.stringify(entries)).not.toContain(secret);
  });

  test("names the files of an upload, which stand in its form", async () => {
    const paths = ["first", "second"].map((name) => join(daemon.workspace, name));
    const form = new FormData();
    for (const path of paths) {
      form.append("metadata", JSON.stringify({ path }));
      form.append("file", new File(["bytes"], "f"));
    }
    expect((await daemon.execd("/files/upload", { method: "POST", body: form })).status).toBe(200);
    const own = new FormData();
    own.append("path", paths[0] ?? "");
    own.append("file", new File(["bytes"], "f"));
    expect((await daemon.fetch("/files/upload", { method: "POST", body: own })).status).toBe(200);
    const { entries } = await list("?kind=file&limit=2");
    expect(entries.map((entry) => [entry.api, entry.action, entry.paths])).toEqual([
      ["hopx", "upload", paths.slice(0, 1)],
      ["execd", "upload", paths],
    ]);
  });

  test("knows who asked for a run that ends long after its client has gone", async () => {
    const gate = join(daemon.workspace, "gate");
    expect((await runProgram(["mkfifo", gate])).code).toBe(0);
    const url = `${daemon.url}/commands/background`;
    const token = `Authorization: Bearer ${daemon.token}`;
    const body = JSON.stringify({ command: `read _ < ${gate}` });
    // A process of its own, whose connection ends with it.
    const { stdout } = await runProgram(["curl", "-s", "-H", token, "-A", "gone/1", "-d", body, url]);
    const { run_id } = JSON.parse(stdout) as { run_id: string };
    closeSync(openSync(gate, "w"));
    const ended = await until(async () =>
      (await list("?kind=background")).entries.find(({ id, end }) => id === run_id && end),
    );
    expect(ended).toMatchObject({ caller: "127.0.0.1", client: "gone/1", end: { cause: "exited" } });
  });

  test("is filtered, and read page by page", async () => {
    for (let i = 0; i < 5; i++) await daemon.post("/commands/run", { command: "true" });
    const first = await list("?kind=command&limit=3");
    expect(first.entries).toHaveLength(3);
    const second = await list(`?kind=command&limit=3&cursor=${first.next_cursor}`);
    expect(second.entries.every(({ kind }) => kind === "command")).toBe(true);
    expect(second.entries[0]?.sequence).toBeLessThan(first.next_cursor ?? 0);
    const [latest] = first.entries;
    const since = await list(`?since=${encodeURIComponent(latest?.time ?? "")}&kind=command,code`);
    expect(since.entries.map(({ id }) => id)).toContain(latest?.id ?? "");
    expect((await list(`?until=${Date.now() - 3_600_000}`)).entries).toEqual([]);
    expect((await daemon.fetch("/timeline?kind=nonsense")).status).toBe(400);
    expect((await daemon.fetch("/timeline", { headers: { authorization: "" } })).status).toBe(401);
  });

  test("is exported as a line of JSON for each entry, in both ways of asking", async () => {
    const whole = await daemon.fetch("/timeline/export?kind=command");
    expect(whole.headers.get("content-type")).toBe("application/x-ndjson");
    const lines = (await whole.text()).trimEnd().split("\n");
    const entries = lines.map((line) => JSON.parse(line) as Entry);
    expect(entries).toEqual((await list("?kind=command&limit=1000")).entries);
    const some = await daemon.fetch("/timeline?limit=2", { headers: { accept: "application/x-ndjson" } });
    expect((await some.text()).trimEnd().split("\n")).toHaveLength(2);
  });

  test("an answer that is told again because of its idempotency key is not done again", async () => {
    const headers = { "idempotency-key": crypto.randomUUID() };
    const started = () => daemon.post("/execute/background", { code: "true", language: "bash" }, { headers });
    const [first, again] = [await started(), await started()];
    expect(again.body).toEqual(first.body);
    expect(
      (await list("?kind=background")).entries.filter(({ id }) => id === first.body.run_id),
    ).toHaveLength(1);
  });
});

describe("GET /timeline/stream", () => {
  test("tells what is done as it happens, as events, and goes on where a client lost it", async () => {
    const [latest] = (await list("?limit=1")).entries;
    const leave = new AbortController();
    const response = await daemon.fetch("/timeline/stream?kind=command", { signal: leave.signal });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const events = readEvents(response);
    const { body } = await daemon.post("/commands/run", { command: "true" });
    const seen = await until(() => events.find(({ data }) => data.end !== null));
    expect(seen.data).toMatchObject({ id: body.run_id, kind: "command", end: { cause: "exited" } });
    expect(seen.id).toBe(String(seen.data.revision));
    leave.abort();
    const resumed = new AbortController();
    const later = readEvents(
      await daemon.fetch("/timeline/stream", {
        headers: { "last-event-id": String(latest?.revision) },
        signal: resumed.signal,
      }),
    );
    await until(() => later.some(({ data }) => data.id === body.run_id && data.end !== null));
    resumed.abort();
  });

  test("goes over a WebSocket too, which a ticket opens", async () => {
    const ticket = await daemon.post("/tickets", { path: "/timeline/stream" });
    await using socket = await SocketClient.at(String(ticket.body["url"]), {});
    const { body } = await daemon.post("/commands/run", { command: "true" });
    const told = await until(() =>
      socket.messages.find((entry) => entry["id"] === body.run_id && entry["end"]),
    );
    expect(told).toMatchObject({ kind: "command", api: "hopx" });
  });
});

test("the rows that say what they record are there, and every row that changes files or the desktop says it", () => {
  const hopx = hopxRoutes("0");
  const names = (routes: readonly { method: string; path: string }[]) =>
    routes.map(({ method, path }) => `${method} ${path}`);
  expect(HOPX_ROWS.filter((row) => !names(hopx).includes(row))).toEqual([]);
  expect(EXECD_ROWS.filter((row) => !names(execdRoutes()).includes(row))).toEqual([]);
  // They only look, or make an address that is recorded when it is used.
  const harmless = ["POST /files/search", "POST /files/sign"];
  const silent = [...hopx, ...execdRoutes()].filter(
    ({ method, path, action }) =>
      !action && method !== "GET" && /\/(files|directories|desktop)(\/|$)/.test(path),
  );
  expect(names(silent).filter((row) => !harmless.includes(row))).toEqual([]);
});

function readEvents(response: Response): { id: string; data: Entry }[] {
  const events: { id: string; data: Entry }[] = [];
  const read = async () => {
    let text = "";
    const decoder = new TextDecoder();
    const pieces: AsyncIterable<Uint8Array> = response.body ?? new ReadableStream<Uint8Array>();
    for await (const piece of pieces) {
      text += decoder.decode(piece, { stream: true });
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const [, id, data] = /^id: (\d+)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
        if (id !== undefined && data !== undefined) events.push({ id, data: JSON.parse(data) as Entry });
        text = text.slice(end + 2);
      }
    }
  };
  // Ends with an abort when the test leaves.
  read().catch(() => undefined);
  return events;
}
