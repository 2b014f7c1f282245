import { afterAll, beforeAll, describe, expect, test, setDefaultTimeout } from "bun:test";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { generateKeyPairSync } from "node:crypto";
import { temporaryDirectory, type TemporaryDirectory } from "../setup/support.ts";
import { cli, placedIn, ServeProcess } from "../support/cli.ts";
import { TEST_SECRET } from "../support/daemon.ts";
import { until } from "../support/engine.ts";

setDefaultTimeout(60_000);

const DAY_MS = 24 * 60 * 60 * 1000;

interface TokenFacts {
  readonly token: string;
  readonly sandbox_id: string;
  readonly expires_at: string;
}

describe("sanderling token", () => {
  let directory: TemporaryDirectory;
  let serving: ServeProcess;
  beforeAll(async () => {
    directory = temporaryDirectory();
    serving = await ServeProcess.start(["--json"], { env: placedIn(directory.path) });
  });
  afterAll(async () => {
    await serving[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  async function token(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await cli(["token", ...args], { env: placedIn(directory.path) });
    expect([code, stderr]).toEqual([0, ""]);
    return stdout;
  }

  test("prints one line that a daemon with the same data directory accepts", async () => {
    const printed = await token();
    expect(printed).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(await serving.statusFor(printed.trim())).toBe(200);
  });

  test("--json adds the sandbox and the expiry, seven days away", async () => {
    const facts = JSON.parse(await token("--json")) as TokenFacts;
    expect(Object.keys(facts)).toEqual(["token", "sandbox_id", "expires_at"]);
    expect(facts.sandbox_id).toBe(serving.ready.sandbox_id);
    expect(Math.abs(Date.parse(facts.expires_at) - Date.now() - 7 * DAY_MS)).toBeLessThan(60_000);
    expect(await serving.statusFor(facts.token)).toBe(200);
  });

  test.each([
    ["90", 90],
    ["90s", 90],
    ["30m", 1800],
    ["12h", 43_200],
    ["30d", 2_592_000],
  ])("--ttl %s is %d seconds", async (ttl, seconds) => {
    const facts = JSON.parse(await token("--json", "--ttl", ttl)) as TokenFacts;
    const left = (Date.parse(facts.expires_at) - Date.now()) / 1000;
    expect(Math.abs(left - seconds)).toBeLessThan(60);
  });

  test("a short-lived one is accepted first and refused once it has expired", async () => {
    const short = (await token("--ttl", "1s")).trim();
    expect(await serving.statusFor(short)).toBe(200);
    // Five seconds of leeway come on top.
    const refusal = await until(async () => {
      const response = await serving.fetch("/info", { authorization: `Bearer ${short}` });
      return response.status === 401 ? response : undefined;
    });
    expect(await refusal.json()).toMatchObject({ code: "TOKEN_EXPIRED" });
  });

  test("--sandbox-id makes it good for that sandbox only", async () => {
    const other = (await token("--sandbox-id", "another")).trim();
    expect(await serving.statusFor(other)).toBe(401);
    await using place = temporaryDirectory();
    const secret = join(directory.path, "data/private/jwt-secret");
    await using another = await ServeProcess.start(["--json", "--sandbox-id", "another"], {
      env: { ...placedIn(place.path), SANDERLING_JWT_SECRET_FILE: secret },
    });
    expect(await another.statusFor(other)).toBe(200);
  });

  test("of a given secret: accepted by a daemon that was given the same one, whatever its data", async () => {
    await using place = temporaryDirectory();
    const same = { SANDERLING_JWT_SECRET: TEST_SECRET, SANDERLING_SANDBOX_ID: "one" };
    const { stdout } = await cli(["token"], { env: { ...placedIn(join(place.path, "a")), ...same } });
    await using given = await ServeProcess.start(["--json"], {
      env: { ...placedIn(join(place.path, "b")), ...same },
    });
    expect(await given.statusFor(stdout.trim())).toBe(200);
    expect(await serving.statusFor(stdout.trim())).toBe(401);
  });

  test("works before a daemon has ever started", async () => {
    await using place = temporaryDirectory();
    const env = placedIn(place.path);
    const facts = JSON.parse((await cli(["token", "--json"], { env })).stdout) as TokenFacts;
    await using later = await ServeProcess.start(["--json"], { env });
    expect(later.ready.sandbox_id).toBe(facts.sandbox_id);
    expect(await later.statusFor(facts.token)).toBe(200);
  });

  test.each(["0", "0s", "-1s", "1w", "soon", "", "1.5h"])("--ttl %p ends with exit code 2", async (ttl) => {
    const { code, stdout, stderr } = await cli(["token", `--ttl=${ttl}`], { env: placedIn(directory.path) });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Expected a duration such as 90s, 30m, 12h or 7d.");
  });

  test("where only a public key is configured it says that it cannot", async () => {
    const { publicKey } = generateKeyPairSync("ed25519");
    const pem = publicKey.export({ format: "pem", type: "spki" });
    const { code, stdout, stderr } = await cli(["token"], {
      env: { ...placedIn(directory.path), SANDERLING_JWT_PUBLIC_KEY: pem },
    });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toBe("Cannot issue a token: only a public key is configured\n");
  });
});

describe("credentials that nobody gave", () => {
  test("are made once: after a restart the sandbox, its token and its API key are the same", async () => {
    await using directory = temporaryDirectory();
    const env = placedIn(directory.path);
    const first = await ServeProcess.start(["--json"], { env });
    const token = (await cli(["token"], { env })).stdout.trim();
    expect(await first.stop()).toBe(0);
    await using second = await ServeProcess.start(["--json"], { env });
    expect(second.ready.sandbox_id).toBe(first.ready.sandbox_id);
    expect(await second.statusFor(token)).toBe(200);
    const apiKey = await readFile(join(directory.path, "data/private/api-key"), "utf8");
    expect((await second.fetch("/info", { "x-api-key": apiKey })).status).toBe(200);
  });

  test("are kept where only the daemon's own user can read them", async () => {
    await using directory = temporaryDirectory();
    await using serving = await ServeProcess.start(["--json"], { env: placedIn(directory.path) });
    expect(serving.ready.event).toBe("ready");
    const place = join(directory.path, "data/private");
    const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
    expect(await mode(place)).toBe("700");
    const entries = await readdir(place, { withFileTypes: true });
    for (const entry of entries.filter((each) => each.isDirectory()))
      expect([entry.name, await mode(join(place, entry.name))]).toEqual([entry.name, "700"]);
    const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    for (const name of ["access-token", "api-key", "jwt-secret", "sandbox-id", "url-secret"])
      expect(files).toContain(name);
    for (const name of files) expect([name, await mode(join(place, name))]).toEqual([name, "600"]);
  });

  test("are the same for daemons that make them at the same moment", async () => {
    await using directory = temporaryDirectory();
    const env = placedIn(directory.path);
    const all = await Promise.all([1, 2, 3, 4].map(() => cli(["token", "--json"], { env })));
    const ids = all.map(({ stdout }) => (JSON.parse(stdout) as TokenFacts).sandbox_id);
    expect(new Set(ids).size).toBe(1);
    const kept = await readdir(join(directory.path, "data/private"));
    expect(kept.toSorted()).toEqual(["access-token", "api-key", "jwt-secret", "sandbox-id", "url-secret"]);
  });

  test("differ between two data directories", async () => {
    await using directory = temporaryDirectory();
    const make = async (name: string) => {
      const { stdout } = await cli(["token", "--json"], { env: placedIn(join(directory.path, name)) });
      const secret = await readFile(join(directory.path, name, "data/private/jwt-secret"), "utf8");
      return { secret, id: (JSON.parse(stdout) as TokenFacts).sandbox_id };
    };
    const [one, two] = await Promise.all([make("a"), make("b")]);
    expect(one.secret).not.toBe(two.secret);
    expect(one.id).not.toBe(two.id);
  });
});
