import { afterAll, beforeAll, expect, test } from "bun:test";
import { TestDaemon } from "../../support/daemon.ts";
import { eventsOf, textsOf, type StreamEvent } from "../../support/event-stream.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ withPython: true });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const send = (path: string, method: string, body?: object) =>
  daemon.execd(path, { method, ...(body ? { body: JSON.stringify(body) } : {}) });

const run = async (code: string, context?: object): Promise<StreamEvent[]> =>
  eventsOf(await send("/code", "POST", { code, ...(context ? { context } : {}) }));

async function json(response: Promise<Response>): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await response;
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const python = { language: "python" };

test("a value comes with its count, text as it was printed, and one final event", async () => {
  const events = await run("print('a\\n\\nb', end='')\n40 + 2", python);
  expect(textsOf(events, "stdout").join("")).toBe("a\n\nb");
  expect(events.filter(({ type }) => !["stdout"].includes(type)).map(({ type }) => type)).toEqual([
    "init",
    "execution_count",
    "result",
    "execution_complete",
  ]);
  expect(events.find(({ type }) => type === "result")?.results).toEqual({ text: "42" });
});

test("a display carries its MIME types, one that is replaced and one that is taken back are told as such", async () => {
  const events = await run(
    [
      "from IPython.display import display, HTML, clear_output",
      "shown = display(HTML('<b>bold</b>'), display_id='mine')",
      "shown.update(HTML('<i>new</i>')); clear_output(wait=True)",
    ].join("\n"),
    python,
  );
  expect(events.map(({ type }) => type)).toEqual([
    "init",
    "result",
    "display_update",
    "clear_output",
    "execution_complete",
  ]);
  expect(events[1]).toMatchObject({
    display: true,
    display_id: "mine",
    results: { "text/html": "<b>bold</b>" },
  });
  expect(events[2]).toMatchObject({ display_id: "mine", results: { "text/html": "<i>new</i>" } });
});

test("code that fails ends with its error, after everything it printed", async () => {
  const events = await run("print('before')\nraise ValueError('no')", python);
  expect(events.map(({ type }) => type)).toEqual(["init", "stdout", "status", "error"]);
  expect(events.at(-1)?.error).toMatchObject({ ename: "ValueError", evalue: "no" });
});

test("contexts are made, listed, asked about, used apart and deleted", async () => {
  const made = await json(send("/code/context", "POST", { ...python, cwd: "made/for/code" }));
  expect(made).toMatchObject({ status: 200, body: { language: "python", cwd: "made/for/code" } });
  const id = String(made.body["id"]);
  const context = { id, ...python };
  const [init] = await run("apart = 1", context);
  expect(init?.text).toBe(id);
  expect(textsOf(await run("import os; print(apart, os.getcwd())", { id }), "stdout")).toEqual([
    `1 ${daemon.workspace}/made/for/code\n`,
  ]);
  expect((await run("apart", python)).at(-1)?.error?.ename).toBe("NameError");
  const listed = (await (await send("/code/contexts?language=python", "GET")).json()) as { id: string }[];
  expect(listed.map((one) => one.id)).toContain(id);
  expect(await (await send("/code/contexts?language=cobol", "GET")).json()).toEqual([]);
  expect((await json(send(`/code/contexts/${id}`, "GET"))).body).toMatchObject({ id, language: "python" });
  expect((await send(`/code/contexts/${id}`, "DELETE")).headers.get("content-length")).toBe("0");
  expect((await json(send(`/code/contexts/${id}`, "GET"))).body["code"]).toBe("CONTEXT_NOT_FOUND");
  expect((await send("/code/contexts?language=python", "DELETE")).status).toBe(200);
  expect(await (await send("/code/contexts", "GET")).json()).toEqual([]);
});

test("code without a language is a shell command", async () => {
  expect(textsOf(await run("echo one; echo two"), "stdout")).toEqual(["one", "two"]);
  expect(textsOf(await run("echo one", { language: "command" }), "stdout")).toEqual(["one"]);
  const background = await run("sleep 0", { language: "background-command" });
  expect(background.map(({ type }) => type)).toEqual(["init", "execution_complete"]);
});

test("what cannot be executed is refused with what is wrong", async () => {
  for (const [answer, status, code] of [
    [send("/code", "POST", { code: "" }), 400, "INVALID_REQUEST_BODY"],
    [send("/code", "POST", { code: "1", context: { language: "cobol" } }), 400, "INVALID_REQUEST_BODY"],
    [
      send("/code", "POST", { code: "1", context: { id: "none", language: "python" } }),
      404,
      "CONTEXT_NOT_FOUND",
    ],
    [send("/code/context", "POST", { language: "cobol" }), 400, "INVALID_REQUEST_BODY"],
    [send("/code/context", "POST", { language: "sql" }), 400, "INVALID_REQUEST_BODY"],
    [send("/code/contexts", "DELETE"), 400, "MISSING_QUERY"],
    [send("/code", "DELETE"), 400, "MISSING_QUERY"],
    [send("/code?id=none", "DELETE"), 404, "CONTEXT_NOT_FOUND"],
  ] as const) {
    expect(await json(answer)).toMatchObject({ status, body: { code } });
  }
});

test("a context is copied with its variables, and the copy lives on alone", async () => {
  const made = await json(send("/code/context", "POST", python));
  const { id } = made.body as { id: string };
  await run("kept = 1", { id, ...python });
  const copy = await json(send(`/code/contexts/${id}/fork`, "POST"));
  expect(copy).toMatchObject({ status: 200, body: { language: "python" } });
  const { id: copied } = copy.body as { id: string };
  expect((await send(`/code/contexts/${id}`, "DELETE")).status).toBe(200);
  const events = await run("kept += 1; print(kept)", { id: copied, ...python });
  expect(textsOf(events, "stdout").join("")).toBe("2\n");
  expect(await json(send(`/code/contexts/${id}/fork`, "POST"))).toMatchObject({
    status: 404,
    body: { code: "CONTEXT_NOT_FOUND" },
  });
  const bash = await json(send("/code/context", "POST", { language: "bash" }));
  expect(await json(send(`/code/contexts/${String(bash.body["id"])}/fork`, "POST"))).toMatchObject({
    status: 501,
    body: { code: "NOT_SUPPORTED" },
  });
});
