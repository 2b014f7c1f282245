import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CLIENT_PYTHON, runProgram } from "../../support/clients.ts";
import { TEST_API_KEY, TestDaemon, type Answer } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

setDefaultTimeout(60_000);

const PNG = /^iVBORw0KGgo/;

interface RichAnswer extends Answer {
  readonly result?: string;
  readonly png?: string;
  readonly svg?: string;
  readonly html?: string;
  readonly json?: unknown;
  readonly dataframe?: {
    readonly columns: readonly { readonly name: string; readonly type: string }[];
    readonly rows: readonly unknown[][];
    readonly total_rows: number;
    readonly is_truncated: boolean;
  };
  readonly rich_outputs: readonly {
    readonly type: string;
    readonly data: Record<string, unknown>;
    readonly path?: string;
    readonly metadata: { readonly source: string };
  }[];
  readonly exception?: {
    readonly ename: string;
    readonly traceback: string[];
    readonly traceback_ansi: string[];
  };
  readonly session_id?: string;
}

let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await TestDaemon.start({ withPython: true });
});

afterAll(() => daemon[Symbol.asyncDispose]());

async function rich(code: string, more: object = {}): Promise<{ status: number; body: RichAnswer }> {
  const { status, body } = await daemon.post("/execute/rich", { code, ...more });
  return { status, body: body as RichAnswer };
}

async function ipython(code: string, more: object = {}): Promise<{ status: number; body: RichAnswer }> {
  const { status, body } = await daemon.post("/execute/ipython", { code, ...more });
  return { status, body: body as RichAnswer };
}

describe("POST /execute/rich", () => {
  test("captures two figures that were neither saved nor shown", async () => {
    const { status, body } = await rich(
      "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.figure()\nplt.bar([1, 2], [3, 4]);",
    );
    expect(status).toBe(200);
    expect(body.rich_outputs.map(({ type }) => type)).toEqual(["image/png", "image/png"]);
    expect(body.png).toMatch(PNG);
    expect(body.stderr).toBe("");
  });

  test("tells figures as vectors when asked, and those that the code saved with their path", async () => {
    const code = "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.savefig('kept.png')\nplt.show()";
    const { body } = await rich(code, { figure_formats: ["svg"] });
    const [saved, shown] = body.rich_outputs;
    expect(saved).toMatchObject({ type: "image/png", metadata: { source: "saved_figure" } });
    expect(saved?.path).toEndWith("/kept.png");
    expect(shown?.type).toBe("image/svg+xml");
    expect(body.svg).toContain("<svg");
    expect(body.png).toBeUndefined();
  });

  test("tells a table as HTML, as text and as data, with how many rows there are", async () => {
    const { body } = await rich(
      "import pandas as pd\npd.DataFrame({'n': range(5000), 'text': ['a', 'b'] * 2500, 'when': pd.Timestamp('2024-05-06')})",
    );
    expect(body.html).toContain("<table");
    expect(body.result).toContain("5000 rows");
    expect(body.dataframe).toMatchObject({ total_rows: 5000, is_truncated: true });
    expect(body.dataframe?.columns.map(({ name }) => name)).toEqual(["n", "text", "when"]);
    expect(body.dataframe?.rows).toHaveLength(1000);
    expect(body.dataframe?.rows[1]).toEqual([1, "b", "2024-05-06T00:00:00.000"]);
  });

  test("tells what display() and the last line gave, in order, each in its own form", async () => {
    const { body } = await rich(
      [
        "from IPython.display import SVG, HTML, JSON, Latex, Markdown",
        "from PIL import Image",
        "display(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'), HTML('<b>x</b>'), JSON({'a': 1}))",
        "display(Latex('$x^2$'), Markdown('# h'))",
        "display(Image.new('RGB', (4, 4), 'red'))",
        "6 * 7",
      ].join("\n"),
    );
    expect(body.rich_outputs.map(({ type }) => type)).toEqual([
      "image/svg+xml",
      "text/html",
      "application/json",
      "text/latex",
      "text/markdown",
      "image/png",
      "text/plain",
    ]);
    expect(body).toMatchObject({ result: "42", html: "<b>x</b>", json: { a: 1 }, markdown: "# h" });
  });

  test("tells a plotly figure as data and as a page", async () => {
    const { body } = await rich("import plotly.graph_objects as go\ngo.Figure(go.Bar(y=[2, 1])).show()");
    expect(body.json).toMatchObject({ data: [{ type: "bar" }] });
    expect(body.html).toContain("plotly");
    expect(JSON.stringify(body).length).toBeLessThan(200_000);
  });

  test("tells an exception with and without colours, by the rules of both forms", async () => {
    const code = "def f():\n    return 1 / 0\nf()";
    const page = await rich(code);
    expect(page.status).toBe(500);
    const { status, body } = await rich(code, { workdir: "." });
    expect(status).toBe(200);
    expect(body).toMatchObject({ success: false, exit_code: 1, exception: { ename: "ZeroDivisionError" } });
    expect(body.stderr).toContain("ZeroDivisionError: division by zero");
    expect(body.exception?.traceback.join("")).not.toContain("\u001b[");
    expect(body.exception?.traceback_ansi.join("")).toContain("\u001b[");
  });

  test("gives every call an interpreter of its own, with its directory and variables", async () => {
    await rich("secret = 1; import os; os.environ['LEFT'] = '1'");
    const code = "import os\nprint('secret' in globals(), os.environ.get('LEFT'), os.environ['GIVEN'])";
    expect((await rich(code, { env: { GIVEN: "yes" } })).body.stdout).toBe("False None yes\n");
    expect((await rich("import os; print(os.getcwd())", { workdir: "/tmp" })).body.stdout).toBe("/tmp\n");
    await until(async () => ((await sessions()) as unknown[]).length === 0);
  });

  test("times out with what was printed", async () => {
    const code = "import time\nprint('early', flush=True)\ntime.sleep(60)";
    const { status, body } = await rich(code, { timeout: 1, workdir: "." });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      success: false,
      exit_code: 124,
      stdout: "early\n",
      end: { cause: "timed_out" },
    });
    expect((await rich(code, { timeout: 1 })).status).toBe(408);
  });

  test("says once how a kernel died", async () => {
    const { body } = await rich("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", { workdir: "." });
    expect(body).toMatchObject({ success: false, end: { cause: "signalled" } });
    expect(body.stderr.split("\n").filter((line) => line === "").length).toBeLessThanOrEqual(1);
  });

  test("marks what is too large instead of sending it", async () => {
    const { body } = await rich("from IPython.display import HTML\nHTML('x' * 40_000_000)");
    expect(body.html).toBeUndefined();
    expect(JSON.stringify(body.rich_outputs)).toContain("left out");
  });

  test("shows values of other languages too", async () => {
    const { body } = await rich("[1, 2].map((n) => n * 2)", { language: "javascript" });
    expect(body).toMatchObject({ success: true, result: "[ 2, 4 ]", language: "javascript" });
  });
});

describe("POST /execute", () => {
  const run = async (code: string, more: object = {}) => {
    const { body } = await daemon.post("/execute", { code, workdir: ".", ...more });
    return body as RichAnswer;
  };

  test("is answered from the cache with what it showed", async () => {
    const code = "import time\nprint(time.time_ns())\ndisplay({'a': 1})\ntime.time_ns()";
    const first = await run(code, { cache: true });
    const second = await run(code, { cache: true });
    expect(second["cached"]).toBe(true);
    expect([second.stdout, second.result]).toEqual([first.stdout, first.result]);
    expect(second.result).toMatch(/^\d+$/);
    expect(second.rich_outputs.map(({ data }) => data)).toEqual(first.rich_outputs.map(({ data }) => data));
  });

  test("tells figures that are open or shown, each once", async () => {
    const body = await run(
      "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nplt.bar([1], [2])\nplt.savefig('bar.png')",
    );
    expect(body.rich_outputs.map(({ metadata }) => metadata.source)).toEqual([
      "display",
      "saved_figure",
      "display",
    ]);
    expect(body.png).toMatch(PNG);
    expect(body).toMatchObject({ success: true, stdout: "", stderr: "" });
  });

  test("tells the value of the last line and what display() was given", async () => {
    const body = await run(
      "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2]})\ndisplay(df)\nprint('x')\ndf.a.sum()",
    );
    expect(body.html).toContain("<table");
    expect(body.dataframe).toMatchObject({ columns: [{ name: "a", type: "int64" }], rows: [[1], [2]] });
    expect(body.stdout).toBe("x\n");
    expect(body.result).toContain("3");
    expect((await run("a = 10\na + 5")).result).toBe("15");
  });

  test("tells plotly's figures", async () => {
    const body = await run("import plotly.graph_objects as go\ngo.Figure(go.Bar(y=[2, 1])).show()");
    expect(body.json).toMatchObject({ data: [{ type: "bar" }] });
  });

  test("has no fields for what is not there", async () => {
    const body = await run("print('plain')");
    expect(Object.keys(body)).not.toContain("rich_outputs");
    const failed = await run("display('shown')\n1 / 0");
    expect(failed).toMatchObject({ success: false, rich_outputs: [{ type: "text/plain" }] });
    expect(failed.stderr).toEndWith("ZeroDivisionError: division by zero\n");
  });

  test("shows what a program does in its own process only", async () => {
    const body = await run("import os\npid = os.fork()\nif pid == 0: display('child')\nelse: os.wait()\n7");
    expect(body.rich_outputs).toHaveLength(1);
    expect(body.result).toBe("7");
  });
});

describe("POST /execute/ipython", () => {
  test("keeps variables, and knows % and !", async () => {
    expect((await ipython("a = 10")).body.success).toBe(true);
    expect((await ipython("a + 5")).body.result).toBe("15");
    expect((await ipython("!echo from-a-shell")).body.stdout.trim()).toBe("from-a-shell");
    expect((await ipython("%who_ls")).body.result).toContain("'a'");
  });

  test("answers 200 for failing code", async () => {
    const { status, body } = await ipython("nosuchname");
    expect(status).toBe(200);
    expect(body).toMatchObject({ success: false, exception: { ename: "NameError" } });
  });

  test("keeps sessions apart", async () => {
    await ipython("x = 'one'", { session_id: "one" });
    const other = await ipython("x", { session_id: "two" });
    expect(other.body.exception?.ename).toBe("NameError");
    expect((await ipython("x", { session_id: "one" })).body).toMatchObject({
      result: "'one'",
      session_id: "one",
    });
  });

  test("gives variables to one run only, and later ones of the sandbox to all", async () => {
    const read = "import os; print(os.environ.get('ONCE'), os.environ.get('LATER'))";
    await ipython("1");
    expect((await ipython(read, { env: { ONCE: "it's" } })).body.stdout).toBe("it's None\n");
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ env_vars: { LATER: "set" } });
    await daemon.fetch("/env", { method: "PATCH", body, headers });
    expect((await ipython(read)).body.stdout).toBe("None set\n");
  });

  test("is done once for one idempotency key", async () => {
    await ipython("n = 0");
    const headers = { "Idempotency-Key": "count-once" };
    const count = () => daemon.post("/execute/ipython", { code: "n += 1; n" }, { headers });
    expect((await count()).body).toEqual((await count()).body);
    expect((await ipython("n")).body.result).toBe("1");
  });
});

describe("/jupyter/sessions", () => {
  test("tells the kernels, interrupts, restarts and ends them", async () => {
    await ipython("kept = 1", { session_id: "mine" });
    const [mine] = (await sessions()).filter(({ kernel_id }) => kernel_id === "mine");
    expect(mine).toMatchObject({
      execution_state: "idle",
      connections: 0,
      executions: 1,
      language: "python",
    });
    expect(Date.parse(String(mine?.["last_activity"]))).toBeGreaterThan(0);
    const busy = ipython("open('begun', 'w').close()\nwhile True: pass", { session_id: "mine" });
    await until(() => existsSync(join(daemon.workspace, "begun")));
    expect((await session("mine"))?.["execution_state"]).toBe("busy");
    const { body } = await daemon.post("/jupyter/sessions/mine/interrupt", {});
    expect(body["outcome"]).toBe("interrupted");
    expect((await busy).body.exception?.ename).toBe("KeyboardInterrupt");
    expect((await ipython("kept", { session_id: "mine" })).body.result).toBe("1");
    await daemon.post("/jupyter/sessions/mine/restart", {});
    expect((await ipython("kept", { session_id: "mine" })).body.exception?.ename).toBe("NameError");
    const ended = await daemon.fetch("/jupyter/sessions/mine", { method: "DELETE" });
    expect(ended.status).toBe(200);
    expect(await session("mine")).toBeUndefined();
    expect((await daemon.post("/jupyter/sessions/mine/restart", {})).status).toBe(404);
  });

  test("copies a session with its variables, which goes on by itself", async () => {
    await ipython("kept = [1]\ndef add(): kept.append(len(kept) + 1); return kept", { session_id: "first" });
    const { status, body } = await daemon.post("/jupyter/sessions/first/fork", {});
    expect([status, body]).toMatchObject([
      201,
      { language: "python", execution_state: "idle", start: "warm", restarts: 0, end: null },
    ]);
    const { session_id = "" } = body as { session_id?: string };
    expect((await sessions()).map(({ kernel_id }) => kernel_id)).toContain(session_id);
    expect((await ipython("add()", { session_id })).body).toMatchObject({
      result: "[1, 2]",
      execution_count: 2,
    });
    await daemon.fetch("/jupyter/sessions/first", { method: "DELETE" });
    expect((await ipython("add()", { session_id })).body.result).toBe("[1, 2, 3]");
    await ipython("import threading; threading.Timer(600, print).start()", { session_id });
    const refused = await daemon.post(`/jupyter/sessions/${session_id}/fork`, {});
    expect([refused.status, refused.body]).toMatchObject([
      409,
      { code: "CONFLICT", details: { threads: [expect.stringMatching(/^Thread-/) as string] } },
    ]);
    expect((await daemon.post("/jupyter/sessions/first/fork", {})).status).toBe(404);
    await daemon.fetch(`/jupyter/sessions/${session_id}`, { method: "DELETE" });
  });
});

test.each([
  ["JavaScript", ["node", "test/contract/hopx/clients/javascript-rich.mjs"]],
  ["Python", [CLIENT_PYTHON, "test/contract/hopx/clients/python_rich.py"]],
] as const)("the %s client library reads sessions and runs in them", async (_, argv) => {
  await ipython("1");
  const result = await runProgram([...argv, daemon.url, daemon.sandboxId, TEST_API_KEY]);
  expect(result).toMatchObject({ code: 0, stderr: "" });
});

async function sessions(): Promise<Record<string, unknown>[]> {
  const answer = (await (await daemon.fetch("/jupyter/sessions")).json()) as {
    sessions: Record<string, unknown>[];
  };
  return answer.sessions;
}

async function session(id: string): Promise<Record<string, unknown> | undefined> {
  return (await sessions()).find(({ session_id }) => session_id === id);
}
