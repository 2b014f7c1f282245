import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { TEST_API_KEY, TEST_SECRET, TestDaemon } from "../../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const encode = (secret: string) => new TextEncoder().encode(secret);
const inOneHour = () => Math.floor(Date.now() / 1000) + 3600;

function hs256(claims: Record<string, unknown>, secret = TEST_SECRET): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(encode(secret));
}

async function ask(token: string | undefined, path = "/info", target = daemon) {
  const response = await fetch(target.url + path, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  const body = (await response.json()) as { code?: string; error?: string; message?: string };
  return { status: response.status, body };
}

describe("without a token", () => {
  test.each(["/health", "/ping"])("%s answers", async (path) => {
    expect((await ask(undefined, path)).status).toBe(200);
  });

  test.each(["/", "/info", "/openapi.json", "/docs", "/v1/sandboxes"])("%s is refused", async (path) => {
    const { status, body } = await ask(undefined, path);
    expect([status, body.code]).toEqual([401, "AUTHENTICATION_REQUIRED"]);
  });

  test("nothing is run", async () => {
    const response = await fetch(`${daemon.url}/commands/run`, {
      method: "POST",
      body: '{"command":"true"}',
    });
    expect(response.status).toBe(401);
  });
});

describe("a token of the shared secret", () => {
  test("lets in", async () => {
    expect((await ask(daemon.token)).status).toBe(200);
    expect((await ask(await hs256({ exp: inOneHour() }))).status).toBe(200);
  });

  test("is refused once it has expired, with the word that makes clients fetch a new one", async () => {
    const { status, body } = await ask(await hs256({ exp: inOneHour() - 7200 }));
    expect([status, body.code]).toEqual([401, "TOKEN_EXPIRED"]);
    expect(body.message).toBe("Token expired");
  });

  test("is given a few seconds' leeway for clocks that differ", async () => {
    expect((await ask(await hs256({ exp: Math.floor(Date.now() / 1000) - 1 }))).status).toBe(200);
  });

  test.each([
    ["not yet valid", () => hs256({ exp: inOneHour(), nbf: inOneHour() })],
    ["without an expiry", () => hs256({})],
    ["of another secret", () => hs256({ exp: inOneHour() }, "another secret altogether")],
    ["of another sandbox", () => hs256({ exp: inOneHour(), sandbox_id: "someoneelse" })],
    ["with the algorithm none", () => Promise.resolve(new UnsecuredJWT({ exp: inOneHour() }).encode())],
    [
      "of a stronger algorithm that is not on the list",
      () => new SignJWT({ exp: inOneHour() }).setProtectedHeader({ alg: "HS512" }).sign(encode(TEST_SECRET)),
    ],
    ["that is no token", () => Promise.resolve("hello")],
  ])("is refused when it is %s", async (_, make) => {
    const { status, body } = await ask(await make());
    expect([status, body.code]).toEqual([401, "AUTHENTICATION_REQUIRED"]);
    expect(body.error).toStartWith("Invalid token: ");
  });
});

describe("tokens of a public key", () => {
  test.each(["EdDSA", "ES256", "RS256"])(
    "%s: only that key's tokens let in, and the key is no shared secret",
    async (alg) => {
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
      const pem = await exportSPKI(publicKey);
      await using other = await TestDaemon.start({
        env: { SANDERLING_JWT_SECRET: TEST_SECRET, SANDERLING_JWT_PUBLIC_KEY: pem },
      });
      const good = await new SignJWT({ exp: inOneHour() }).setProtectedHeader({ alg }).sign(privateKey);
      expect((await ask(good, "/info", other)).status).toBe(200);
      // Algorithm confusion: the public key's text used as an HS256 secret.
      expect((await ask(await hs256({ exp: inOneHour() }, pem), "/info", other)).status).toBe(401);
      const stranger = await generateKeyPair(alg);
      const forged = await new SignJWT({ exp: inOneHour() })
        .setProtectedHeader({ alg })
        .sign(stranger.privateKey);
      expect((await ask(forged, "/info", other)).status).toBe(401);
    },
  );

  test("a key set in a file is read, and audience and sandbox id can be demanded", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
    const file = join(daemon.directory, "jwks.json");
    await writeFile(
      file,
      JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "one", alg: "ES256" }] }),
    );
    await using other = await TestDaemon.start({
      env: {
        SANDERLING_JWT_PUBLIC_KEY_FILE: file,
        SANDERLING_JWT_AUDIENCE: "sandboxes",
        SANDERLING_JWT_REQUIRE_SANDBOX_ID: "true",
        SANDERLING_SANDBOX_ID: "sandbox1",
      },
    });
    const sign = (claims: Record<string, unknown>) =>
      new SignJWT({ exp: inOneHour(), ...claims })
        .setProtectedHeader({ alg: "ES256", kid: "one" })
        .sign(privateKey);
    expect((await ask(await sign({ aud: "sandboxes", sandbox_id: "sandbox1" }), "/info", other)).status).toBe(
      200,
    );
    expect((await ask(await sign({ aud: "others", sandbox_id: "sandbox1" }), "/info", other)).status).toBe(
      401,
    );
    expect((await ask(await sign({ aud: "sandboxes" }), "/info", other)).status).toBe(401);
  });
});

describe("other ways in", () => {
  test("the API key stands in for a token, as a client library without one sends it", async () => {
    const right = await fetch(`${daemon.url}/info`, { headers: { "x-api-key": TEST_API_KEY } });
    const wrong = await fetch(`${daemon.url}/info`, { headers: { "x-api-key": "something else" } });
    expect([right.status, wrong.status]).toEqual([200, 401]);
  });

  test("a browser gets the reference with a token as password, and only the reference", async () => {
    const authorization = `Basic ${btoa(`me:${daemon.token}`)}`;
    const page = await fetch(`${daemon.url}/docs`, { headers: { authorization } });
    const info = await fetch(`${daemon.url}/info`, { headers: { authorization } });
    const challenge = (await fetch(`${daemon.url}/docs`)).headers.get("www-authenticate");
    expect([page.status, info.status]).toEqual([200, 401]);
    expect(challenge).toStartWith("Basic realm=");
  });
});

describe("requests that a web page could cause", () => {
  test("a Host that is neither an address nor a known name is refused", async () => {
    const response = await fetch(`${daemon.url}/ping`, { headers: { host: "rebound.example" } });
    expect(response.status).toBe(403);
  });

  test("a foreign Origin is refused, the own one is not", async () => {
    const foreign = await daemon.fetch("/ping", { headers: { origin: "https://elsewhere.example" } });
    const own = await daemon.fetch("/ping", { headers: { origin: daemon.url } });
    expect([foreign.status, own.status]).toEqual([403, 200]);
  });

  test("names and origins can be allowed", async () => {
    await using open = await TestDaemon.start({
      env: { SANDERLING_ALLOWED_HOSTS: "agent.example", SANDERLING_ALLOWED_ORIGINS: "https://app.example" },
    });
    const headers = { host: "agent.example", origin: "https://app.example" };
    const response = await fetch(`${open.url}/ping`, { headers });
    expect(response.status).toBe(200);
    expect(response.headers.get("access-control-allow-origin")).toBe("https://app.example");
    const preflight = await fetch(`${open.url}/execute`, {
      method: "OPTIONS",
      headers: {
        ...headers,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
      },
    });
    expect(preflight.status).toBe(204);
  });
});
