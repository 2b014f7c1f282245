import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CLIENT_PYTHON, runProgram } from "../../support/clients.ts";
import { TEST_API_KEY, TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

interface Env {
  readonly env_vars: Record<string, string>;
  readonly count: number;
  readonly custom: string[];
  readonly timestamp: string;
}

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ env: { OPERATOR_PROXY: "http://proxy.example" } });
});
afterAll(() => daemon[Symbol.asyncDispose]());
afterEach(() => send("DELETE", "/env"));

function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  return daemon.fetch(path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function read(from = daemon): Promise<Env> {
  return (await (await from.fetch("/env")).json()) as Env;
}

async function printed(language: string, code: string, more: object = {}): Promise<string> {
  const { body } = await daemon.post("/execute", { language, code, ...more });
  expect(body.stderr).toBe("");
  return body.stdout.trim();
}

describe("GET /env", () => {
  test("tells what a run gets on a fresh sandbox, without settings of the daemon", async () => {
    const { env_vars, count, custom, timestamp } = await read();
    expect(env_vars["PATH"]).toContain("/bin");
    expect(env_vars["HOME"]).toStartWith("/");
    expect(env_vars["OPERATOR_PROXY"]).toBe("http://proxy.example");
    expect([count, custom]).toEqual([Object.keys(env_vars).length, []]);
    expect(Object.keys(env_vars).filter((name) => name.startsWith("SANDERLING"))).toEqual([]);
    expect(Date.parse(timestamp)).toBeGreaterThan(0);
    const run = await daemon.post("/commands/run", { command: "/usr/bin/env", args: ["-0"] });
    const got = run.body.stdout.split("\0").filter((line) => line !== "" && !line.startsWith("SANDERLING"));
    expect(got.sort()).toEqual(
      Object.entries(env_vars)
        .map(([name, value]) => `${name}=${value}`)
        .sort(),
    );
  });

  test("masks nothing", async () => {
    await send("PATCH", "/env", { env_vars: { API_KEY: "sk-1", MY_PASSWORD: "p" } });
    expect((await read()).env_vars).toMatchObject({ API_KEY: "sk-1", MY_PASSWORD: "p" });
  });
});

describe("a change of /env", () => {
  test("is answered 204 without a body", async () => {
    for (const [method, path, body] of [
      ["PUT", "/env", { env_vars: { A: "1" } }],
      ["PATCH", "/env", { env_vars: { B: "2" }, merge: true }],
      ["DELETE", "/env/A", undefined],
      ["DELETE", "/env", undefined],
    ] as const) {
      const response = await send(method, path, body);
      expect([response.status, await response.text()]).toEqual([204, ""]);
    }
  });

  test.each([
    ["the JavaScript library", { "user-agent": "axios/1.13.2" }],
    ["who asks for it", { prefer: "return=representation" }],
  ])("is answered with the new map to %s", async (_, headers) => {
    const replaced = await send("PUT", "/env", { env_vars: { A: "1" } }, headers);
    expect(replaced.status).toBe(200);
    expect((await replaced.json()) as Env).toMatchObject({ env_vars: { A: "1" }, custom: ["A"] });
    const cleared = await send("DELETE", "/env", undefined, headers);
    expect(((await cleared.json()) as Env).custom).toEqual([]);
  });

  test("PUT replaces: what was set before is gone, and programs are still found", async () => {
    await send("PATCH", "/env", { env_vars: { OLD: "1" } });
    await send("PUT", "/env", { env_vars: { NEW: "2" } });
    const { env_vars } = await read();
    expect(env_vars).toMatchObject({ NEW: "2", OPERATOR_PROXY: "http://proxy.example" });
    expect(env_vars).not.toHaveProperty("OLD");
    expect(await printed("bash", "ls / >/dev/null && echo $OLD$NEW")).toBe("2");
  });

  test("PUT with merge changes only what it names", async () => {
    await send("PATCH", "/env", { env_vars: { OLD: "1" } });
    await send("PUT", "/env", { env_vars: { NEW: "2" }, merge: true });
    expect((await read()).custom).toEqual(["OLD", "NEW"]);
  });

  test("PATCH merges, also with merge false, and null takes away", async () => {
    await send("PATCH", "/env", { env_vars: { A: "1", B: "2" } });
    await send("PATCH", "/env", { env_vars: { A: null, C: "3", OPERATOR_PROXY: null }, merge: false });
    const { env_vars, custom } = await read();
    expect(custom).toEqual(["B", "C"]);
    expect(env_vars).not.toHaveProperty("OPERATOR_PROXY");
    expect(await printed("bash", "echo [$A$B$C$OPERATOR_PROXY]")).toBe("[23]");
  });

  test("DELETE of one name takes that one, of all brings back the machine's", async () => {
    await send("PATCH", "/env", { env_vars: { A: "1", "odd name/with": "2" } });
    await send("DELETE", "/env/odd%20name%2Fwith");
    await send("DELETE", "/env/OPERATOR_PROXY");
    const { env_vars, custom } = await read();
    expect(custom).toEqual(["A"]);
    expect(env_vars).not.toHaveProperty("OPERATOR_PROXY");
    await send("DELETE", "/env");
    expect((await read()).env_vars).not.toHaveProperty("A");
    expect((await read()).env_vars).toHaveProperty("OPERATOR_PROXY");
  });

  test("DELETE of a name that is not there is 404, in words no client takes for another error", async () => {
    const response = await send("DELETE", "/env/NOBODY");
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      code: "RESOURCE_NOT_FOUND",
      message: 'There is no environment variable "NOBODY"',
    });
  });

  test("takes the mask word for: leave it as it is", async () => {
    const mask = "***MASKED***";
    await send("PATCH", "/env", { env_vars: { TOKEN: "t", OTHER: "o" } });
    await send("PATCH", "/env", { env_vars: { TOKEN: mask, NEW: mask, OPERATOR_PROXY: mask } });
    expect((await read()).custom).toEqual(["TOKEN", "OTHER", "NEW"]);
    expect((await read()).env_vars).toMatchObject({ TOKEN: "t", NEW: mask });
    await send("PUT", "/env", { env_vars: { TOKEN: mask } });
    expect((await read()).env_vars).toMatchObject({ TOKEN: "t", OPERATOR_PROXY: "http://proxy.example" });
    expect((await read()).custom).toEqual(["TOKEN"]);
  });

  test.each([
    ["PUT without variables", {}, 400, /env_vars/],
    ["PUT of a number", { env_vars: { A: 1 } }, 400, /env_vars\.A: /],
    ["PUT of null", { env_vars: { A: null } }, 400, /env_vars\.A: /],
    ["PATCH of a bad name", { env_vars: { "A=B": "topsecret" } }, 400, /"A=B"/],
    ["PATCH of a NUL byte", { env_vars: { A: "topsecret\0" } }, 400, /variable A/],
    ["PATCH of a setting", { env_vars: { SANDERLING_JWT_SECRET: "topsecret" } }, 400, /SANDERLING_JWT/],
    ["PATCH of too large a value", { env_vars: { A: "topsecret".repeat(20_000) } }, 413, /variable A/],
  ])("%s is refused and changes nothing", async (name, body, status, message) => {
    const [method = ""] = name.split(" ");
    const before = await read();
    const response = await send(method, "/env", body);
    const answer = (await response.json()) as { message: string };
    expect(response.status).toBe(status);
    expect(answer.message).toMatch(message);
    expect(answer.message).not.toContain("topsecret");
    expect((await read()).env_vars).toEqual(before.env_vars);
  });

  test("needs a token", async () => {
    for (const method of ["GET", "PUT", "PATCH", "DELETE"]) {
      expect((await send(method, "/env", undefined, { authorization: "Bearer no" })).status).toBe(401);
    }
  });
});

describe("variables of the sandbox", () => {
  test.each([
    ["python", "import os; print(os.environ['SHARED'])"],
    ["javascript", "console.log(process.env.SHARED)"],
    ["typescript", "const shared: string | undefined = process.env.SHARED; console.log(shared)"],
    ["bash", "echo $SHARED"],
    ["go", 'package main\nimport ("fmt"; "os")\nfunc main() { fmt.Println(os.Getenv("SHARED")) }'],
    [
      "java",
      'class Main { public static void main(String[] a) { System.out.println(System.getenv("SHARED")); } }',
    ],
  ])(
    "reach %s, under those of the request",
    async (language, code) => {
      const { languages } = (await (await daemon.fetch("/info")).json()) as {
        languages: { id: string; installed: boolean }[];
      };
      // Said by `sanderling doctor`; a machine need not have every language.
      if (!languages.some(({ id, installed }) => id === language && installed)) return;
      await send("PATCH", "/env", { env_vars: { SHARED: "sandbox" } });
      const more = { timeout: 120, workdir: daemon.workspace };
      expect(await printed(language, code, more)).toBe("sandbox");
      expect(await printed(language, code, { ...more, env: { SHARED: "request" } })).toBe("request");
      expect(await printed(language, code, more)).toBe("sandbox");
    },
    120_000,
  );

  test("reach what runs in the background", async () => {
    await send("PATCH", "/env", { env_vars: { SHARED: "sandbox" } });
    const file = join(daemon.workspace, "shared.txt");
    const started = await daemon.post("/commands/background", { command: 'echo "$SHARED" > shared.txt' });
    expect(started.status).toBe(200);
    expect(await until(() => readFile(file, "utf8").catch(() => ""))).toBe("sandbox\n");
  });

  test("reach commands, through a shell and without", async () => {
    await send("PATCH", "/env", { env_vars: { SHARED: "sandbox" } });
    const shell = await daemon.post("/commands/run", { command: "echo $SHARED" });
    const plain = await daemon.post("/commands/run", { command: "printenv", args: ["SHARED"] });
    expect([shell.body.stdout, plain.body.stdout]).toEqual(["sandbox\n", "sandbox\n"]);
  });
});

test("variables outlive a restart and a kill of the daemon, and their values are in no log line", async () => {
  await using first = await TestDaemon.start();
  const data = { SANDERLING_DATA_DIR: join(first.directory, "data") };
  await first.fetch("/env", { method: "PUT", body: JSON.stringify({ env_vars: { A: "topsecret-1" } }) });
  await first.stop();
  await using second = await TestDaemon.start({ env: data });
  expect((await read(second)).env_vars["A"]).toBe("topsecret-1");
  await second.fetch("/env", { method: "PATCH", body: JSON.stringify({ env_vars: { B: "topsecret-2" } }) });
  await second.stop("SIGKILL");
  await using third = await TestDaemon.start({ env: data });
  const { body } = await third.post("/execute", { code: "echo $A $B", language: "bash" });
  expect(body.stdout).toBe("topsecret-1 topsecret-2\n");
  await third.stop();
  const logs = await Promise.all([first.log, second.log, third.log]);
  for (const log of logs) expect(log).not.toContain("topsecret");
}, 60_000);

test("every change that was answered outlives a kill of the daemon in the middle of others", async () => {
  await using first = await TestDaemon.start();
  const change = async (name: string) => {
    const body = JSON.stringify({ env_vars: { [name]: name.repeat(1000) } });
    const { status } = await first.fetch("/env", { method: "PATCH", body });
    return status === 204 ? name : undefined;
  };
  const names = Array.from({ length: 60 }, (_, index) => `NAME_${index}`);
  const changes = names.map((name) => change(name).catch(() => undefined));
  await Promise.any(changes.slice(20));
  await first.stop("SIGKILL");
  const answered = (await Promise.all(changes)).filter((name) => name !== undefined);
  expect(answered.length).toBeGreaterThan(0);
  await using second = await TestDaemon.start({
    env: { SANDERLING_DATA_DIR: join(first.directory, "data") },
  });
  const { env_vars } = await read(second);
  for (const name of answered) expect(env_vars[name]).toBe(name.repeat(1000));
}, 60_000);

test.each([
  ["JavaScript", ["node", "test/contract/hopx/clients/javascript-env.mjs"]],
  ["Python", [CLIENT_PYTHON, "test/contract/hopx/clients/python_env.py"]],
])(
  "the vendor's library of %s reads, sets, updates and deletes variables, and asks for the cache",
  async (_, argv) => {
    const result = await runProgram([...argv, daemon.url, daemon.sandboxId, TEST_API_KEY]);
    expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/ok\n$/) as string });
  },
  60_000,
);
