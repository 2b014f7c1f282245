import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readStat } from "../../../src/engine/process/proc.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

describe("POST /execute in the published form", () => {
  test("answers a program's output with the documented fields", async () => {
    const { status, body } = await daemon.post("/execute", {
      code: 'print("Hello from HopX!")',
      language: "python",
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      success: true,
      stdout: "Hello from HopX!\n",
      stderr: "",
      exit_code: 0,
      language: "python",
    });
    expect(body.execution_time).toBeGreaterThan(0);
    expect(Date.parse(body.timestamp ?? "")).toBeGreaterThan(0);
    expect(body.end).toEqual({ cause: "exited", description: "exited with code 0" });
    expect(body.usage["cpu_seconds"]).toBeGreaterThan(0);
    expect(body.usage["peak_memory_bytes"]).toBeGreaterThan(0);
  });

  test("runs Python unless told otherwise", async () => {
    const { body } = await daemon.post("/execute", { code: "import sys; print(sys.version_info.major)" });
    expect(body.stdout).toBe("3\n");
  });

  test.each([
    ["js", "console.log(1 + 1)"],
    ["node", "console.log(1 + 1)"],
    ["ts", "const n: number = 2; console.log(n)"],
    ["sh", "echo $((1 + 1))"],
    ["py", "print(1 + 1)"],
    ["Python3", "print(1 + 1)"],
  ])("takes %s as a language", async (language, code) => {
    const { status, body } = await daemon.post("/execute", { code, language });
    expect([status, body.stdout]).toEqual([200, "2\n"]);
  });

  test("gives the variables of the request to this run only", async () => {
    const code = 'import os; print(os.getenv("MY_VAR"))';
    const first = await daemon.post("/execute", { code, env: { MY_VAR: "my_value" } });
    const second = await daemon.post("/execute", { code });
    expect([first.body.stdout, second.body.stdout]).toEqual(["my_value\n", "None\n"]);
  });

  test("works in the workspace, and in directories named relative to it", async () => {
    await mkdir(join(daemon.workspace, "below"), { recursive: true });
    const code = "pwd";
    const asked = await daemon.post("/execute", { code, language: "bash", working_dir: "below" });
    const plain = await daemon.post("/execute", { code, language: "bash" });
    expect(asked.body.stdout).toBe(`${daemon.workspace}/below\n`);
    expect(plain.body.stdout).toBe(`${daemon.workspace}\n`);
  });

  test("lets workdir win over working_dir", async () => {
    await mkdir(join(daemon.workspace, "one"), { recursive: true });
    const { body } = await daemon.post("/execute", {
      code: "pwd",
      language: "bash",
      working_dir: "/",
      workdir: "one",
    });
    expect(body.stdout).toBe(`${daemon.workspace}/one\n`);
  });

  test("finds modules beside the program's working directory", async () => {
    await writeFile(join(daemon.workspace, "helper.py"), "answer = 42\n");
    const { body } = await daemon.post("/execute", { code: "import helper; print(helper.answer)" });
    expect(body.stdout).toBe("42\n");
  });

  test("answers 500 with the result when the code fails, and no error or code", async () => {
    const { status, body } = await daemon.post("/execute", { code: "print(x)", language: "python" });
    expect(status).toBe(500);
    expect(body).toMatchObject({ success: false, stdout: "", exit_code: 1 });
    expect(body.stderr).toEndWith("NameError: name 'x' is not defined\n");
    expect(body.stderr).toContain('File "/main.py", line 1');
    expect(body.code).toBeUndefined();
  });

  test("answers 408 with the documented text when the time is up, and keeps what was printed", async () => {
    const code = 'import time; print("begun"); time.sleep(60)';
    const { status, body } = await daemon.post("/execute", { code, timeout: 1 });
    expect(status).toBe(408);
    expect(body).toMatchObject({
      error: "Execution timeout after 1 second",
      code: "EXECUTION_TIMEOUT",
      stdout: "begun\n",
    });
    expect(body.message).toBe(body.error);
  });

  test("answers 400 for an unknown language in the documented words", async () => {
    const { status, body } = await daemon.post("/execute", { code: "puts 1", language: "ruby" });
    expect(status).toBe(400);
    expect(body).toMatchObject({
      error: "Invalid language: ruby",
      message: "Invalid language: ruby",
      code: "INVALID_REQUEST",
    });
  });

  test.each([
    ["no code", {}, "Missing required field: code"],
    ["empty code", { code: "" }, "code: code must not be empty"],
    ["code of another type", { code: 5 }, "code: Invalid input: expected string, received number"],
    ["a timeout of zero", { code: "1", timeout: 0 }, "timeout: Too small: expected number to be >=1"],
    [
      "a fractional timeout",
      { code: "1", timeout: 1.5 },
      "timeout: Invalid input: expected int, received number",
    ],
    [
      "a variable that is no text",
      { code: "1", env: { A: 1 } },
      "env.A: Invalid input: expected string, received number",
    ],
    [
      "a variable with an impossible name",
      { code: "1", env: { "A=B": "1" } },
      'Cannot set the environment variable "A=B": not a valid name',
    ],
    ["an unknown limit", { code: "1", limits: { memory: 5 } }, 'limits: Unrecognized key: "memory"'],
    ["a body that is no object", [1], "Invalid input: expected object, received array"],
  ])("answers 400 for %s and says what is wrong", async (_, request, message) => {
    const { status, body } = await daemon.post("/execute", request);
    expect([status, body.code, body.error]).toEqual([400, "INVALID_REQUEST", message]);
  });

  test("answers 400 for a working directory that does not exist", async () => {
    const { status, body } = await daemon.post("/execute", { code: "1", working_dir: "/no/such/place" });
    expect([status, body.error]).toEqual([400, "Working directory does not exist: /no/such/place"]);
  });

  test("answers 400 for a body that is not JSON", async () => {
    const { status, body } = await daemon.post("/execute", '{"code": ');
    expect([status, body.code]).toEqual([400, "INVALID_JSON"]);
    expect(body.error).toContain("not valid JSON");
  });
});

describe("POST /execute in the client-library form", () => {
  test("answers 200 with success false when the code fails", async () => {
    const { status, body } = await daemon.post("/execute", {
      code: "raise ValueError('no')",
      workdir: "/workspace",
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ success: false, exit_code: 1 });
    expect(body.stderr).toContain("ValueError: no");
  });

  test("answers 200 with exit code 124 when the time is up", async () => {
    const { status, body } = await daemon.post("/execute", {
      code: "sleep 60",
      language: "bash",
      workdir: "/workspace",
      timeout: 1,
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ success: false, exit_code: 124 });
    expect(body.stderr).toEndWith("Execution timeout after 1 second\n");
    expect(body.end.cause).toBe("timed_out");
  });
});

describe("fields beyond the published ones", () => {
  test("stdin is given to the program", async () => {
    const { body } = await daemon.post("/execute", { code: "print(input()[::-1])", stdin: "abc\n" });
    expect(body.stdout).toBe("cba\n");
  });

  test("without stdin the program reads the end of file at once", async () => {
    const { body } = await daemon.post("/execute", { code: "import sys; print(repr(sys.stdin.read()))" });
    expect(body.stdout).toBe("''\n");
  });

  test("a limit is enforced and the end says so", async () => {
    const limits = { output_bytes: 1000 };
    const { status, body } = await daemon.post("/execute", {
      code: "yes",
      language: "bash",
      limits,
      workdir: "/workspace",
    });
    expect(status).toBe(200);
    expect(body.stdout.length).toBe(1000);
    expect(body.end).toEqual({ cause: "cancelled", description: "cancelled (output limit)" });
    expect(body.stderr).toEndWith("cancelled (output limit)\n");
  });

  test("output above the bound is cut at the old end, and the answer says which stream and how much", async () => {
    await using small = await TestDaemon.start({ env: { SANDERLING_MAX_OUTPUT_BYTES: "2048" } });
    const { body } = await small.post("/execute", {
      code: "for i in range(3000): print('é', end='')\nprint('!')",
    });
    expect(body.stdout).toEndWith("éé!\n");
    expect(body.stdout).not.toContain("\uFFFD");
    expect(body.truncated).toEqual([{ stream: "stdout", total_bytes: 6002, kept_bytes: 2048 }]);
  });

  test("output that is not UTF-8 arrives with the replacement character", async () => {
    const { body } = await daemon.post("/commands/run", {
      command: "printf 'a\\377b'; printf '\\303'; sleep 0.05; printf '\\251'",
    });
    expect(body.stdout).toBe("a\uFFFDbé");
  });
});

describe("a client that goes away", () => {
  test("takes its run with it", async () => {
    const client = new AbortController();
    const file = join(daemon.workspace, "pid");
    const gone = daemon.post(
      "/commands/run",
      { command: `echo $$ > ${file}; exec sleep 600` },
      { signal: client.signal },
    );
    const pid = await until(
      async () =>
        Number(
          await Bun.file(file)
            .text()
            .catch(() => ""),
        ) || undefined,
    );
    client.abort();
    expect(await gone.catch((error: unknown) => (error as Error).name)).toBe("AbortError");
    await until(() => readStat(pid) === undefined || undefined);
  });
});
