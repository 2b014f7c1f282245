import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { readStat } from "../../../src/engine/process/proc.ts";
import { TEST_SECRET, TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

describe("routes", () => {
  test("an unknown path gets 404 in the API's shape", async () => {
    const response = await daemon.fetch("/no/such/route");
    const body = (await response.json()) as Record<string, string>;
    expect(response.status).toBe(404);
    expect(body).toMatchObject({
      code: "RESOURCE_NOT_FOUND",
      path: "/no/such/route",
      error: body["message"] ?? "",
    });
    expect(body["request_id"]).toBe(response.headers.get("x-request-id") ?? "");
    expect(Date.parse(body["timestamp"] ?? "")).toBeGreaterThan(0);
  });

  test("a wrong method gets 405 with Allow", async () => {
    const response = await daemon.fetch("/execute", { method: "PUT", body: "{}" });
    const body = (await response.json()) as Record<string, string>;
    expect([response.status, response.headers.get("allow"), body["code"]]).toEqual([
      405,
      "POST",
      "METHOD_NOT_ALLOWED",
    ]);
  });

  test("HEAD works where GET does", async () => {
    const response = await daemon.fetch("/health", { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });

  test("the agent says what it is", async () => {
    const health = (await (await daemon.fetch("/health")).json()) as Record<string, unknown>;
    const info = (await (await daemon.fetch("/info")).json()) as Record<string, unknown>;
    const root = (await (await daemon.fetch("/")).json()) as Record<string, unknown>;
    expect(health).toMatchObject({
      status: "healthy",
      vm_id: daemon.sandboxId,
      features: { code_execution: true },
    });
    expect(info).toMatchObject({ vm_id: daemon.sandboxId, os: "linux", vm_port: new URL(daemon.url).port });
    expect((root["endpoints"] as Record<string, string>)["post_execute"]).toBe("POST /execute");
  });

  test("the OpenAPI document has every route and says what a request looks like", async () => {
    const document = (await (await daemon.fetch("/openapi.json")).json()) as {
      openapi: string;
      paths: Record<string, Record<string, object>>;
      components: { schemas: Record<string, { required?: string[] }> };
    };
    expect(document.openapi).toBe("3.1.0");
    for (const path of [
      "/execute",
      "/commands/run",
      "/health",
      "/ping",
      "/info",
      "/",
      "/v1/sandboxes/{id}",
    ]) {
      expect(document.paths).toHaveProperty([path]);
    }
    expect(document.components.schemas["ExecuteRequest"]?.required).toEqual(["code"]);
  });

  test("the reference page and everything it needs come from this server", async () => {
    const page = await (await daemon.fetch("/docs")).text();
    const links = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(
      ([, link]) => new URL(link ?? "", `${daemon.url}/docs`),
    );
    expect(links.length).toBe(3);
    for (const link of links) {
      expect(link.origin).toBe(daemon.url);
      expect((await daemon.fetch(link.pathname)).status).toBe(200);
    }
  });
});

describe("request ids", () => {
  test("a caller's own is kept, in the header and in an error's body", async () => {
    const { headers, body } = await daemon.post("/execute", {}, { headers: { "x-request-id": "mine-1" } });
    expect([headers.get("x-request-id"), body.request_id]).toEqual(["mine-1", "mine-1"]);
  });

  test("an odd one is replaced", async () => {
    const response = await daemon.fetch("/ping", { headers: { "x-request-id": "a b\tc" } });
    expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });
});

test("a request body above the bound gets 413", async () => {
  await using small = await TestDaemon.start({ env: { SANDERLING_MAX_BODY_BYTES: "2048" } });
  const { status, body } = await small.post("/execute", { code: "#".repeat(4096) });
  expect([status, body.error]).toEqual([413, "The request body is larger than the limit of 2048 bytes"]);
  const chunked = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new Uint8Array(1024).fill(32));
    },
  });
  const endless = await small.fetch("/execute", { method: "POST", body: chunked }).then(
    (response) => response.status,
    () => "hung up",
  );
  expect([413, "hung up"]).toContain(endless);
});

describe("the log", () => {
  test("has one line a request with its id and its run, and no code, variable, output or token", async () => {
    const other = await TestDaemon.start();
    const request = { code: "print('pri' + 'nted')", env: { NAME: "confidential" }, stdin: "typed" };
    const { body } = await other.post("/execute", request, { headers: { "x-request-id": "the-one" } });
    await other.stop();
    const text = await other.log;
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const mine = lines.filter((line) => line["requestId"] === "the-one");
    expect(mine).toHaveLength(1);
    expect(mine[0]).toMatchObject({
      route: "/execute",
      method: "POST",
      status: 200,
      runId: body.run_id,
      end: "exited",
      level: "info",
    });
    for (const word of ["nted", "confidential", "typed", other.token, TEST_SECRET])
      expect(text).not.toContain(word);
    await other[Symbol.asyncDispose]();
  });
});

test("a client that leaves in the middle of a JSON body is refused as one, not told as a fault", async () => {
  const other = await TestDaemon.start();
  const bodies = ["Content-Length: 1000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"];
  for (const body of bodies) {
    const { promise: gone, resolve } = Promise.withResolvers<undefined>();
    const client = await Bun.connect({
      hostname: "127.0.0.1",
      port: Number(new URL(other.url).port),
      socket: { data: () => undefined, close: () => resolve(undefined) },
    });
    client.write(
      `POST /execute HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${other.token}\r\n${body}`,
    );
    client.flush();
    client.end();
    await gone;
  }
  await until(async () => {
    const figures = (await (await other.fetch("/metrics")).json()) as {
      requests_total: Record<string, number>;
    };
    return figures.requests_total["/execute"] === bodies.length;
  });
  await other.stop();
  const text = await other.log;
  expect(text).not.toContain("fault of the daemon");
  expect(text.match(/"route":"\/execute","status":400/g)).toHaveLength(2);
  await other[Symbol.asyncDispose]();
});

describe("stopping", () => {
  test("work under way gets its true end told, new work is refused, and the exit code is 0", async () => {
    const other = await TestDaemon.start();
    const started = join(other.directory, "started");
    const answer = other.post("/commands/run", { command: `touch ${started}; sleep 0.5; echo done` });
    await until(() =>
      Bun.file(started)
        .exists()
        .then((exists) => exists || undefined),
    );
    const code = other.stop();
    expect((await answer).body).toMatchObject({ success: true, stdout: "done\n" });
    expect(await code).toBe(0);
    await other[Symbol.asyncDispose]();
  });

  test("work that outlasts the grace is cancelled and told so, and nothing of it is left", async () => {
    const other = await TestDaemon.start({ env: { SANDERLING_SHUTDOWN_GRACE_MS: "100" } });
    const file = join(other.directory, "pid");
    const answer = other.post("/commands/run", {
      command: "sh",
      args: ["-c", `echo $$ > ${file}; exec sleep 600`],
    });
    const pid = await until(
      async () =>
        Number(
          await Bun.file(file)
            .text()
            .catch(() => ""),
        ) || undefined,
    );
    expect(await other.stop()).toBe(0);
    expect((await answer).body.end).toEqual({ cause: "cancelled", description: "cancelled (shutdown)" });
    expect(readStat(pid)).toBeUndefined();
    await other[Symbol.asyncDispose]();
  });

  test("a second signal stops at once", async () => {
    const other = await TestDaemon.start({ env: { SANDERLING_SHUTDOWN_GRACE_MS: "60000" } });
    const file = join(other.directory, "pid");
    const answer = other
      .post("/commands/run", { command: "sh", args: ["-c", `echo $$ > ${file}; exec sleep 600`] })
      .catch(() => undefined);
    const pid = await until(
      async () =>
        Number(
          await Bun.file(file)
            .text()
            .catch(() => ""),
        ) || undefined,
    );
    void other.stop();
    await until(() =>
      fetch(`${other.url}/ping`).then(
        () => undefined,
        () => true,
      ),
    );
    expect(await other.stop()).toBe(0);
    await answer;
    expect(readStat(pid)).toBeUndefined();
    await other[Symbol.asyncDispose]();
  });
});
