import { afterAll, beforeAll, expect, test } from "bun:test";
import { TEST_API_KEY, TestDaemon } from "../../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

async function control(
  method: string,
  path: string,
  headers: Record<string, string> = { "x-api-key": TEST_API_KEY },
) {
  const response = await fetch(daemon.url + path, { method, headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test("the sandbox says where its agent is, in types that every client accepts", async () => {
  const { status, body } = await control("GET", `/v1/sandboxes/${daemon.sandboxId}`);
  expect(status).toBe(200);
  expect(body).toMatchObject({
    id: daemon.sandboxId,
    status: "running",
    public_host: daemon.url,
    organization_id: 0,
    internet_access: true,
  });
  expect(daemon.sandboxId).toMatch(/^[a-z0-9]{16,30}$/);
  for (const name of ["vcpu", "memory_mb", "disk_mb"]) {
    expect((body["resources"] as Record<string, number>)[name]).toBeGreaterThan(0);
  }
  expect(body["created_at"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
});

test("the list has this one sandbox and ends", async () => {
  const { body } = await control("GET", "/v1/sandboxes?limit=100");
  expect((body["data"] as { id: string }[]).map(({ id }) => id)).toEqual([daemon.sandboxId]);
  expect([body["has_more"], body["next_cursor"]]).toEqual([false, null]);
  expect((await control("GET", "/v1/sandboxes?status=paused")).body["data"]).toEqual([]);
});

test("a refreshed token expires later than the one before, and the older one stays valid", async () => {
  const refresh = () => control("POST", `/v1/sandboxes/${daemon.sandboxId}/token/refresh`);
  const [first, second] = [await refresh(), await refresh()];
  const expiry = (answer: typeof first) => Date.parse(String(answer.body["token_expires_at"]));
  expect(expiry(second)).toBeGreaterThan(expiry(first));
  for (const { body } of [first, second]) {
    const info = await fetch(`${daemon.url}/info`, {
      headers: { authorization: `Bearer ${String(body["auth_token"])}` },
    });
    expect(info.status).toBe(200);
  }
});

test("the API key also comes as a Bearer token; a wrong one is refused", async () => {
  const path = `/v1/sandboxes/${daemon.sandboxId}`;
  expect((await control("GET", path, { authorization: `Bearer ${TEST_API_KEY}` })).status).toBe(200);
  expect((await control("GET", path, { "x-api-key": "wrong" })).status).toBe(401);
  expect((await control("GET", path, { authorization: `Bearer ${daemon.token}` })).status).toBe(401);
});

test("another id is not found, in the words a client understands", async () => {
  const { status, body } = await control("GET", "/v1/sandboxes/nobody");
  expect(status).toBe(404);
  expect(body["message"]).toStartWith("Sandbox not found: nobody");
});

test("the Python library gets control-plane errors nested, as it alone reads them", async () => {
  const headers = { "x-api-key": TEST_API_KEY, "user-agent": "hopx-python/0.1.0" };
  const { body } = await control("GET", "/v1/sandboxes/nobody", headers);
  expect(body["error"]).toMatchObject({ code: "RESOURCE_NOT_FOUND", message: body["message"] as string });
});

test.each([
  ["POST", "/v1/sandboxes"],
  ["DELETE", "/v1/sandboxes/any"],
  ["POST", "/v1/sandboxes/any/pause"],
  ["PUT", "/v1/sandboxes/any/timeout"],
])(
  "%s %s is refused with a text that helps and a status that no client sends again",
  async (method, path) => {
    const { status, body } = await control(method, path);
    expect([status, body["code"]]).toEqual([403, "FORBIDDEN"]);
    expect(body["message"]).toContain(`Sandbox.connect("${daemon.sandboxId}")`);
  },
);
