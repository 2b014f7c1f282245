import { afterAll, beforeAll, expect, test } from "bun:test";
import { TEST_ACCESS_TOKEN, TestDaemon } from "../../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const basic = (password: string) => ({ authorization: `Basic ${btoa(`anyone:${password}`)}` });

test("the document describes the routes and their credentials", async () => {
  const document = (await (await daemon.execd("/openapi.json")).json()) as {
    openapi: string;
    paths: Record<string, Record<string, { security: unknown }>>;
  };
  expect(document.openapi).toBe("3.1.0");
  expect(document.paths["/command"]?.["post"]?.security).toEqual([{ accessToken: [] }]);
  expect(document.paths["/ping"]?.["get"]?.security).toEqual([]);
  expect(document.paths).toHaveProperty(["/pty/operations"]);
  expect(document.paths).not.toHaveProperty(["/docs"]);
});

test("a browser reads the pages with the access token as its password, and nothing else with it", async () => {
  for (const path of ["/docs", "/docs/start.js", "/docs/reference.js", "/openapi.json"])
    expect((await fetch(daemon.execdUrl + path, { headers: basic(TEST_ACCESS_TOKEN) })).status).toBe(200);
  expect((await fetch(`${daemon.execdUrl}/metrics`, { headers: basic(TEST_ACCESS_TOKEN) })).status).toBe(401);
  const refused = await fetch(`${daemon.execdUrl}/docs`);
  expect(refused.status).toBe(401);
  expect(refused.headers.get("www-authenticate")).toMatch(/^Basic /);
  expect((await fetch(`${daemon.execdUrl}/docs`, { headers: basic("wrong") })).status).toBe(401);
});
