import { describe, expect, test, setDefaultTimeout } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "../setup/support.ts";
import { cli, placedIn, ServeProcess } from "../support/cli.ts";
import { TEST_API_KEY, TEST_SECRET } from "../support/daemon.ts";

setDefaultTimeout(60_000);

const JWT = /eyJ[\w-]+\.[\w-]+\.[\w-]+/;
const MISSING = ["curl", "python3"].filter((program) => Bun.which(program) === null);

describe("what serve prints for a person", () => {
  test.skipIf(MISSING.length > 0)("has a line that works when it is pasted into a shell", async () => {
    await using directory = temporaryDirectory();
    await using serving = await ServeProcess.start([], { env: placedIn(directory.path) });
    const line = /^ *(curl .*)$/m.exec(serving.stdout)?.[1] ?? "";
    const shell = await cli(["-c", line], { command: ["sh"] });
    expect([shell.code, shell.stderr]).toEqual([0, ""]);
    expect(JSON.parse(shell.stdout)).toMatchObject({ success: true, stdout: "42\n", exit_code: 0 });
  });

  test("names address, reference, sandbox, workspace, API key and token, all of which are right", async () => {
    await using directory = temporaryDirectory();
    await using serving = await ServeProcess.start([], { env: placedIn(directory.path) });
    const value = (name: string) => new RegExp(`^ +${name} +(\\S+)`, "m").exec(serving.stdout)?.[1] ?? "";
    const kept = (name: string) => readFile(join(directory.path, "data/private", name), "utf8");
    const url = value("VM Agent API");
    expect(serving.stdout).toContain(`${url}/docs`);
    expect(value("Sandbox id")).toBe(await kept("sandbox-id"));
    expect(value("Workspace")).toBe(join(directory.path, "workspace"));
    expect(value("API key")).toBe(await kept("api-key"));
    const info = await fetch(`${url}/info`, { headers: { authorization: `Bearer ${value("Token")}` } });
    expect(info.status).toBe(200);
  });

  test("has no credential when the secret was given, and says how to get a token", async () => {
    await using directory = temporaryDirectory();
    await using serving = await ServeProcess.start([], {
      env: {
        ...placedIn(directory.path),
        SANDERLING_JWT_SECRET: TEST_SECRET,
        SANDERLING_API_KEY: TEST_API_KEY,
      },
    });
    expect(serving.stdout).toContain("sanderling token");
    expect(serving.stdout).not.toMatch(JWT);
    for (const secret of [TEST_SECRET, TEST_API_KEY]) expect(serving.stdout).not.toContain(secret);
  });

  test("does not repeat an API key that was given", async () => {
    await using directory = temporaryDirectory();
    await using serving = await ServeProcess.start([], {
      env: { ...placedIn(directory.path), SANDERLING_API_KEY: TEST_API_KEY },
    });
    expect(serving.stdout).toMatch(JWT);
    expect(serving.stdout).not.toContain(TEST_API_KEY);
  });

  test("for a program it is one line without any credential, made or given", async () => {
    await using directory = temporaryDirectory();
    await using serving = await ServeProcess.start(["--json"], { env: placedIn(directory.path) });
    expect(serving.stdout.split("\n")).toHaveLength(2);
    expect(serving.ready).toMatchObject({ event: "ready", pid: serving.pid });
    expect(serving.stdout).not.toMatch(JWT);
    for (const name of ["api-key", "jwt-secret"]) {
      const secret = await readFile(join(directory.path, "data/private", name), "utf8");
      expect(serving.stdout).not.toContain(secret);
    }
  });
});

describe("the log, at its most talkative", () => {
  test.each([
    ["json", "made here", {}],
    ["pretty", "made here", {}],
    ["json", "given", { SANDERLING_JWT_SECRET: TEST_SECRET, SANDERLING_API_KEY: TEST_API_KEY }],
    ["pretty", "given", { SANDERLING_JWT_SECRET: TEST_SECRET, SANDERLING_API_KEY: TEST_API_KEY }],
  ])("as %s has no secret that was %s, and no token", async (format, origin, given) => {
    await using directory = temporaryDirectory();
    const env = { ...placedIn(directory.path), ...given };
    const serving = await ServeProcess.start(["--json", "--log-level", "trace", "--log-format", format], {
      env,
    });
    const token = (await cli(["token"], { env })).stdout.trim();
    const kept = (name: string) => readFile(join(directory.path, "data/private", name), "utf8");
    const secrets =
      origin === "given" ? [TEST_SECRET, TEST_API_KEY] : [await kept("jwt-secret"), await kept("api-key")];
    const [, apiKey = ""] = secrets;
    const wrong = "a-token-that-nobody-issued";
    expect(await serving.statusFor(token)).toBe(200);
    expect(await serving.statusFor(wrong)).toBe(401);
    expect(await serving.statusFor(token, `/nowhere/${token}`)).toBe(404);
    expect(await serving.statusFor(token, `/info?token=${token}`)).toBe(200);
    expect((await serving.fetch("/v1/sandboxes", { "x-api-key": apiKey })).status).toBe(200);
    expect((await serving.fetch("/v1/sandboxes", { "x-api-key": wrong })).status).toBe(401);
    expect(await serving.stop()).toBe(0);
    expect(serving.stderr).toContain("/v1/sandboxes");
    for (const word of [...secrets, token, wrong]) expect(serving.stderr).not.toContain(word);
  });
});
