import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, open, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Store } from "../../src/engine/store.ts";
import {
  LONGEST_RETRY_AFTER_MS,
  MOST_ATTEMPTS,
  pauseMs,
  retryAfterMs,
} from "../../src/engine/webhooks/backoff.ts";
import type { Delivery } from "../../src/engine/webhooks/delivery-table.ts";
import { WebhookQueue, type WebhookOptions } from "../../src/engine/webhooks/queue.ts";
import type { WebhookTarget } from "../../src/engine/webhooks/target-request.ts";
import { allowedAddresses, DEFAULT_TARGETS, kindOf } from "../../src/engine/webhooks/targets.ts";
import { runProgram } from "../support/clients.ts";
import { refusal, until } from "../support/engine.ts";
import { HookServer } from "../support/hook-server.ts";
import { freePort } from "../support/ports.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "test-webhooks-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const notices: string[] = [];

/** A queue on the test's database, as a daemon has it. */
class Opened implements AsyncDisposable {
  readonly store = Store.open(join(directory, "store.sqlite"), (notice) => notices.push(notice));
  readonly queue: WebhookQueue;

  constructor(options: Partial<WebhookOptions> = {}) {
    this.queue = new WebhookQueue(this.store, {
      targets: DEFAULT_TARGETS,
      retryBaseMs: 10,
      attemptTimeoutMs: 5000,
      onNotice: (notice) => notices.push(notice),
      ...options,
    });
  }

  send(target: Partial<WebhookTarget> & { url: string }, id = "one", body = '{"a":1}'): void {
    this.queue.register(id, { headers: {}, secret: undefined, headerPrefix: "X-Test-", ...target });
    this.queue.deliverWhen(id, Promise.resolve(body));
  }

  finished(id = "one"): Promise<Delivery> {
    return until(() => {
      const delivery = this.queue.find(id);
      return delivery?.finishedAt == null ? undefined : delivery;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue[Symbol.asyncDispose]();
    this.store[Symbol.dispose]();
  }
}

describe("a delivery", () => {
  test("is sent once to a target that takes it, with the caller's headers and the timestamp", async () => {
    await using server = new HookServer();
    await using opened = new Opened();
    opened.send({ url: server.url, headers: { Authorization: "Bearer x" } });
    expect(await opened.finished()).toMatchObject({ state: "delivered", attempts: 1, lastStatus: 200 });
    const [hook] = server.received;
    expect(server.received).toHaveLength(1);
    expect(hook?.body).toBe('{"a":1}');
    expect(hook?.headers.get("authorization")).toBe("Bearer x");
    expect(hook?.headers.get("content-type")).toBe("application/json");
    expect(Number(hook?.headers.get("x-test-timestamp"))).toBeCloseTo(Date.now() / 1000, -1);
    expect(hook?.headers.get("x-test-signature")).toBeNull();
    expect(hook?.headers.get("x-test-delivery")).toBe(opened.queue.find("one")?.deliveryId ?? "none");
  });

  test("that is answered 500 and then 200 arrives, with one delivery id and a signature for each attempt", async () => {
    await using server = new HookServer((count) => new Response(null, { status: count < 3 ? 500 : 200 }));
    await using opened = new Opened();
    opened.send({ url: server.url, secret: "s3cret" });
    expect(await opened.finished()).toMatchObject({ state: "delivered", attempts: 3, lastStatus: 200 });
    const ids = new Set(server.received.map(({ headers }) => headers.get("x-test-delivery")));
    expect(ids.size).toBe(1);
    for (const { headers, body } of server.received) {
      const sign = (text: string) =>
        `sha256=${new Bun.CryptoHasher("sha256", "s3cret").update(text).digest("hex")}`;
      expect(headers.get("x-test-signature")).toBe(sign(`${headers.get("x-test-timestamp") ?? ""}${body}`));
      expect(headers.get("x-test-body-signature")).toBe(sign(body));
    }
  });

  test("to a target that is down is tried again until it is up", async () => {
    const port = await freePort();
    await using opened = new Opened();
    opened.send({ url: `http://127.0.0.1:${port}/hook` });
    await until(() => (opened.queue.find("one")?.attempts ?? 0) >= 2);
    expect(opened.queue.find("one")).toMatchObject({ state: "pending", lastStatus: null });
    await using server = new HookServer(undefined, port);
    expect(await opened.finished()).toMatchObject({ state: "delivered", lastError: null });
    expect(server.received).toHaveLength(1);
  });

  test("to a target that stays down fails after the last attempt and says so", async () => {
    const port = await freePort();
    await using opened = new Opened({ retryBaseMs: 1 });
    opened.send({ url: `http://127.0.0.1:${port}/hook` });
    expect(await opened.finished()).toMatchObject({
      state: "failed",
      attempts: MOST_ATTEMPTS,
      lastError: "ECONNREFUSED",
      nextAttemptAt: null,
    });
    expect(notices).toContain("a webhook was not delivered");
  });

  test("to a slow target is given up after the attempt's time and tried again", async () => {
    const hang = Promise.withResolvers<Response>();
    await using server = new HookServer((count) => (count === 1 ? hang.promise : new Response()));
    await using opened = new Opened({ attemptTimeoutMs: 200, retryBaseMs: 400 });
    opened.send({ url: server.url });
    await until(() => opened.queue.find("one")?.lastError === "no answer within 0.2 s");
    expect(await opened.finished()).toMatchObject({ state: "delivered", attempts: 2 });
    hang.resolve(new Response());
  });

  test("waits as long as Retry-After asks", async () => {
    await using server = new HookServer((count) =>
      count === 1 ? new Response(null, { status: 429, headers: { "Retry-After": "1" } }) : new Response(),
    );
    await using opened = new Opened({ retryBaseMs: 1 });
    opened.send({ url: server.url });
    expect(await opened.finished()).toMatchObject({ state: "delivered", attempts: 2 });
    const [first, second] = server.received;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(950);
  });

  test.each([408, 429, 503])("answered %d is tried again", async (status) => {
    await using server = new HookServer(
      (count) => new Response(null, { status: count === 1 ? status : 204 }),
    );
    await using opened = new Opened();
    opened.send({ url: server.url });
    expect(await opened.finished()).toMatchObject({ state: "delivered", attempts: 2, lastStatus: 204 });
  });

  test.each([400, 404, 410])("answered %d has failed at once", async (status) => {
    await using server = new HookServer(() => new Response(null, { status }));
    await using opened = new Opened();
    opened.send({ url: server.url });
    expect(await opened.finished()).toMatchObject({ state: "failed", attempts: 1, lastStatus: status });
  });

  test.each([
    ["a metadata address", "http://169.254.169.254/latest/meta-data"],
    ["another host", undefined],
  ])("that is redirected to %s does not follow", async (_, location) => {
    await using other = new HookServer();
    await using server = new HookServer(() => Response.redirect(location ?? other.url, 307));
    await using opened = new Opened();
    opened.send({ url: server.url });
    expect(await opened.finished()).toMatchObject({
      state: "failed",
      attempts: 1,
      lastError: "answered 307: redirects are not followed",
    });
    expect(other.received).toHaveLength(0);
  });

  test("does not read an answer without end", async () => {
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
    });
    await using server = new HookServer(() => new Response(endless));
    await using opened = new Opened();
    opened.send({ url: server.url });
    expect(await opened.finished()).toMatchObject({ state: "delivered", attempts: 1 });
  });

  test("to an address that may not be called has failed without a connection", async () => {
    await using server = new HookServer();
    await using opened = new Opened({ targets: ["public"] });
    opened.send({ url: server.url });
    const told = await opened.finished();
    expect([told.state, server.received.length]).toEqual(["failed", 0]);
    expect(told.lastError).toBe(
      "Not allowed to call 127.0.0.1: its address is loopback (webhook targets: public)",
    );
  });

  test("that is over can be sent again with the same delivery id", async () => {
    await using server = new HookServer();
    await using opened = new Opened();
    opened.send({ url: server.url });
    await opened.finished();
    expect(opened.queue.redeliver("one").state).toBe("pending");
    await until(() => server.received.length === 2);
    const ids = server.received.map(({ headers }) => headers.get("x-test-delivery"));
    expect(ids[0]).toBe(ids[1] ?? "");
  });

  test("goes to many targets at once, and every one arrives", async () => {
    await using server = new HookServer(
      (count) => new Response(null, { status: count % 3 === 0 ? 500 : 200 }),
    );
    await using opened = new Opened();
    const ids = Array.from({ length: 60 }, (_, index) => `id-${index}`);
    for (const id of ids) opened.send({ url: server.url }, id, JSON.stringify({ id }));
    await Promise.all(ids.map((id) => opened.finished(id)));
    expect(ids.map((id) => opened.queue.find(id)?.state)).toEqual(ids.map(() => "delivered"));
    expect(new Set(server.received.map(({ body }) => body)).size).toBe(60);
  });
});

describe("a target with TLS", () => {
  test("is reached at the address that was checked, and its certificate must be for the name", async () => {
    const script = `openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost`;
    const made = await runProgram(["sh", "-c", `cd "$0" && ${script}`, directory]);
    expect(made.code).toBe(0);
    const file = (name: string) => Bun.file(join(directory, name));
    await using server = new HookServer(undefined, 0, { key: file("key.pem"), cert: file("cert.pem") });
    const program = `
      import { attemptDelivery } from "./src/engine/webhooks/attempt.ts";
      const life = new AbortController().signal;
      for (const host of ["localhost", "127.0.0.1"]) {
        const url = "https://" + host + ":${server.port}/hook";
        const attempt = { url, headers: {}, body: "{}", targets: ["loopback"], timeoutMs: 5000, life };
        console.log(JSON.stringify(await attemptDelivery(attempt)));
      }`;
    // Certificates to trust are read when a process starts; the proxy would get the request if it were used.
    const { stdout } = await runProgram([process.execPath, "-e", program], {
      NODE_EXTRA_CA_CERTS: join(directory, "cert.pem"),
      HTTPS_PROXY: "http://127.0.0.1:9/",
      NO_PROXY: "",
    });
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { verdict: "delivered", status: 200 },
      { verdict: "again", status: null, error: "ERR_TLS_CERT_ALTNAME_INVALID" },
    ]);
  });
});

describe("the bounds", () => {
  test("refuse a callback when a thousand wait", async () => {
    await using opened = new Opened();
    const target = { url: "http://127.0.0.1:9/", headers: {}, secret: undefined, headerPrefix: "X-Test-" };
    const fill = opened.store.database.transaction(() => {
      for (let index = 0; index < 1000; index++) opened.queue.register(`id-${index}`, target);
    });
    fill();
    const error = await refusal(Promise.try(() => opened.queue.register("more", target)));
    expect(error.code).toBe("busy");
    opened.queue.withdraw("id-0");
    opened.queue.register("more", target);
  });

  test("forget the oldest of a thousand that are over, and what is a day old", async () => {
    await using server = new HookServer();
    await using opened = new Opened();
    opened.send({ url: server.url });
    await opened.finished();
    const numbers = JSON.stringify(Array.from({ length: 1200 }, (_, index) => index + 1));
    opened.store.database
      .query(
        `INSERT INTO deliveries SELECT 'id-' || value, 'd', 'o', url, headers, header_prefix, secret, state,
           bytes, attempts, last_status, last_error, next_attempt_at, created_at,
           CASE WHEN value = 1 THEN finished_at - 86400001 ELSE finished_at - value END, body
         FROM deliveries, json_each($numbers)`,
      )
      .run({ numbers });
    opened.send({ url: server.url }, "newest");
    await opened.finished("newest");
    const rest = opened.store.database.query<{ n: number }, []>("SELECT count(*) AS n FROM deliveries").get();
    expect(rest?.n).toBe(1000);
    expect(opened.queue.find("id-1")).toBeUndefined();
    expect(opened.queue.find("id-1200")).toBeUndefined();
    expect(opened.queue.find("one")).toBeDefined();
  });
});

describe("a restart", () => {
  test("takes up what was pending, with the same delivery id", async () => {
    const port = await freePort();
    let before: Delivery;
    {
      await using opened = new Opened({ retryBaseMs: 200 });
      opened.send({ url: `http://127.0.0.1:${port}/hook` });
      before = await until(() => {
        const found = opened.queue.find("one");
        return found?.attempts === 1 ? found : undefined;
      });
    }
    await using server = new HookServer(undefined, port);
    await using opened = new Opened();
    expect((await opened.finished()).state).toBe("delivered");
    expect(server.received[0]?.headers.get("x-test-delivery")).toBe(before.deliveryId);
  });

  test("tells which results nobody will make any more, to the protocol they belong to", async () => {
    const target = { url: "http://127.0.0.1:9/", headers: {}, secret: undefined, headerPrefix: "X-Test-" };
    {
      await using opened = new Opened();
      opened.queue.register("left", target);
    }
    await using opened = new Opened();
    opened.queue.register("own", target);
    expect(opened.queue.abandoned("X-Test-")).toEqual(["left"]);
    expect(opened.queue.abandoned("X-Other-")).toEqual([]);
  });

  test("leaves alone what another daemon with the same database works on", async () => {
    const target = { url: "http://127.0.0.1:9/", headers: {}, secret: undefined, headerPrefix: "X-Test-" };
    await using first = new Opened();
    first.queue.register("first", target);
    await using second = new Opened();
    expect(second.queue.abandoned("X-Test-")).toEqual([]);
  });
});

describe("a database that cannot be written", () => {
  test("does not make a target get the same delivery again at once", async () => {
    await using server = new HookServer();
    await using opened = new Opened();
    opened.store.database.run(
      `CREATE TRIGGER full_disk BEFORE UPDATE OF attempts ON deliveries BEGIN SELECT raise(ABORT, 'full'); END`,
    );
    notices.length = 0;
    opened.send({ url: server.url });
    await until(() => notices.includes("the state of a webhook could not be kept"));
    // Others are not held up by it.
    opened.store.database.run("DROP TRIGGER full_disk");
    opened.send({ url: server.url }, "other");
    await opened.finished("other");
    const bodies = server.received.map(({ headers }) => headers.get("x-test-delivery"));
    expect(bodies).toHaveLength(2);
    expect(new Set(bodies).size).toBe(2);
    expect(opened.queue.find("one")).toMatchObject({ state: "pending", attempts: 0 });
  });

  test("takes on no callback, and keeps a result until it can be written down", async () => {
    await using server = new HookServer();
    await using opened = new Opened();
    const target = { url: server.url, headers: {}, secret: undefined, headerPrefix: "X-Test-" };
    const full = (on: string) =>
      `CREATE TRIGGER full_${on} BEFORE ${on} ON deliveries BEGIN SELECT raise(ABORT, 'full'); END`;
    opened.queue.register("one", target);
    for (const on of ["INSERT", "UPDATE"]) opened.store.database.run(full(on));
    expect(() => opened.queue.register("two", target)).toThrow("Cannot keep the callback: full");
    notices.length = 0;
    opened.queue.deliverWhen("one", Promise.resolve("the true result"));
    await until(() => notices.length > 1);
    expect(new Set(notices)).toEqual(new Set(["the result of a run cannot be kept for its webhook yet"]));
    for (const on of ["INSERT", "UPDATE"]) opened.store.database.run(`DROP TRIGGER full_${on}`);
    await opened.finished("one");
    expect(server.received.map(({ body }) => body)).toEqual(["the true result"]);
  });
});

describe("what may be called", () => {
  test.each([
    ["8.8.8.8", "public"],
    ["2606:4700::1111", "public"],
    ["10.1.2.3", "private"],
    ["172.31.0.1", "private"],
    ["192.168.1.1", "private"],
    ["fd12::1", "private"],
    ["127.8.8.8", "loopback"],
    ["::1", "loopback"],
    ["::ffff:127.0.0.1", "loopback"],
    ["169.254.1.1", "link-local"],
    ["fe80::1", "link-local"],
    ["169.254.169.254", "metadata"],
    ["::ffff:169.254.169.254", "metadata"],
    ["64:ff9b::a9fe:a9fe", "metadata"],
    ["2002:a9fe:a9fe::1", "metadata"],
    ["fd00:ec2::254", "metadata"],
    ["100.100.100.200", "metadata"],
    ["0.0.0.0", "unusable"],
    ["::", "unusable"],
    ["224.0.0.1", "unusable"],
    ["255.255.255.255", "unusable"],
  ])("%s is %s", (address, kind) => {
    expect(kindOf(address)).toBe(kind as ReturnType<typeof kindOf>);
  });

  test.each(["http://2852039166/", "http://0xa9.0xfe.0xa9.0xfe/", "http://[::ffff:169.254.169.254]/"])(
    "%s is seen through",
    async (url) => {
      const error = await refusal(allowedAddresses(new URL(url), DEFAULT_TARGETS));
      expect(error.message).toContain("its address is metadata");
    },
  );

  test("a name is looked up and its addresses are checked", async () => {
    expect(await allowedAddresses(new URL("http://localhost/"), ["loopback"])).not.toHaveLength(0);
    const error = await refusal(allowedAddresses(new URL("http://localhost/"), ["public"]));
    expect(error.message).toContain("Not allowed to call localhost: its address is loopback");
  });

  test.each([
    ["ftp://example.com/", "expected http or https"],
    ["/hook", "expected an absolute address"],
    ["http://user:pass@example.com/", "credentials belong in a header"],
    ["http:///", "expected an absolute address"],
    ["http://example.com:99999/", "expected an absolute address"],
  ])("the address %p is refused: %s", async (url, reason) => {
    await using opened = new Opened();
    const error = await refusal(
      opened.queue.check({ url, headers: {}, secret: undefined, headerPrefix: "X-" }),
    );
    expect([error.code, error.message]).toEqual(["invalid", expect.stringContaining(reason) as string]);
  });

  test.each([
    ["Host", "a"],
    ["transfer-encoding", "chunked"],
    ["Content-Length", "5"],
    ["X-Test-Signature", "sha256=0"],
    ["Bad Name", "a"],
    ["X-A", "a\r\nX-B: c"],
  ])("the header %s is refused", async (name, value) => {
    await using opened = new Opened();
    const target = { url: "http://127.0.0.1/", headers: { [name]: value }, secret: undefined };
    const error = await refusal(opened.queue.check({ ...target, headerPrefix: "X-Test-" }));
    expect(error.message).toStartWith(`Cannot send the callback header ${JSON.stringify(name)}`);
    expect(error.message).not.toContain("sha256=0");
  });
});

describe("the pauses", () => {
  test("double from the base up to five minutes, and go on for minutes", () => {
    const pauses = Array.from({ length: MOST_ATTEMPTS - 1 }, (_, index) => pauseMs(index + 1, 1000, 0.5));
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000]);
    expect(pauseMs(30, 1000, 0.5)).toBe(300_000);
    expect([pauseMs(1, 1000, 0), pauseMs(1, 1000, 1)]).toEqual([750, 1250]);
  });

  test("heed seconds and dates of Retry-After within bounds", () => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    expect(retryAfterMs("7", now)).toBe(7000);
    expect(retryAfterMs("Thu, 01 Jan 2026 00:00:30 GMT", now)).toBe(30_000);
    expect(retryAfterMs("Wed, 31 Dec 2025 00:00:30 GMT", now)).toBe(0);
    expect(retryAfterMs("999999", now)).toBe(LONGEST_RETRY_AFTER_MS);
    expect([retryAfterMs("soon", now), retryAfterMs(undefined, now)]).toEqual([undefined, undefined]);
  });
});

async function putAside(): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.includes("damaged"));
}

describe("the database", () => {
  test("can be read by its user only", async () => {
    await using opened = new Opened();
    opened.send({ url: "http://127.0.0.1:9/" });
    for (const suffix of ["", "-wal", "-shm"]) {
      expect((await stat(join(directory, `store.sqlite${suffix}`))).mode & 0o777).toBe(0o600);
    }
  });

  test("that is damaged is put aside with a notice, and a new one begun", async () => {
    await Bun.write(join(directory, "store.sqlite"), "this is no database ".repeat(500));
    notices.length = 0;
    await using opened = new Opened();
    expect(notices).toEqual([expect.stringContaining("the database was damaged") as string]);
    expect(opened.queue.find("one")).toBeUndefined();
    expect(await putAside()).toHaveLength(1);
  });

  test("that is large is read through for damage when the last daemon did not close it", async () => {
    const path = join(directory, "store.sqlite");
    {
      await using opened = new Opened({ targets: [] });
      opened.send({ url: "http://127.0.0.1:9/" }, "large", "x".repeat(8 * 2 ** 20));
    }
    const file = await open(path, "r+");
    await file.write(new Uint8Array(4096).fill(255), 0, 4096, 4096);
    await file.close();
    // As a daemon that was killed leaves it.
    await Bun.write(`${path}-wal`, "");
    notices.length = 0;
    await using opened = new Opened();
    expect(notices).toEqual([expect.stringContaining("the database was damaged") as string]);
    expect(opened.queue.find("large")).toBeUndefined();
  });

  test("that a later version made is refused and left as it is", async () => {
    const path = join(directory, "store.sqlite");
    {
      await using opened = new Opened();
      opened.store.database.run("PRAGMA user_version = 999");
    }
    const open = () => Store.open(path, () => undefined);
    expect(open).toThrow("it has version 999");
    expect(await putAside()).toHaveLength(0);
  });
});
