import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestDaemon, type Answer } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

setDefaultTimeout(60_000);

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  await writeFile(join(daemon.workspace, "a file&ü.txt"), "0123456789");
  await writeFile(join(daemon.workspace, "other.txt"), "other");
});
afterAll(() => daemon[Symbol.asyncDispose]());

async function sign(path: string, more: object = {}): Promise<URL> {
  const { status, body } = await daemon.post("/files/sign", { path, ...more });
  expect(status).toBe(200);
  return new URL(String(body["url"]));
}

/** Fetches without any credential. */
async function use(
  url: URL | string,
  init: RequestInit = {},
): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(url, init);
  return { status: response.status, text: await response.text(), headers: response.headers };
}

test("a signed address gives its file to whoever has it, whole, in part and without a body", async () => {
  const url = await sign("a file&ü.txt");
  expect(url.origin).toBe(daemon.url);
  expect(url.search).not.toContain(daemon.token);
  const whole = await use(url);
  expect([whole.status, whole.text]).toEqual([200, "0123456789"]);
  expect(whole.headers.get("content-disposition")).toContain("filename*=UTF-8''a%20file%26%C3%BC.txt");
  expect(whole.headers.get("cache-control")).toBe("private, no-store");
  const part = await use(url, { headers: { Range: "bytes=2-4" } });
  expect([part.status, part.text, part.headers.get("content-range")]).toEqual([206, "234", "bytes 2-4/10"]);
  const head = await use(url, { method: "HEAD" });
  expect([head.status, head.text, head.headers.get("content-length")]).toEqual([200, "", "10"]);
});

test("the answer says what was signed and until when", async () => {
  const before = Date.now();
  const { body } = await daemon.post("/files/sign", { path: "other.txt", method: "PUT", expires_in: 60 });
  expect(body as object).toMatchObject({ method: "PUT", path: join(daemon.workspace, "other.txt") });
  const left = Date.parse(String(body["expires_at"])) - before;
  expect(left).toBeGreaterThan(58_000);
  expect(left).toBeLessThan(62_000);
});

test("it is good for one file, one method and one time only", async () => {
  const url = await sign("other.txt");
  const changed = (change: (search: URLSearchParams) => void) => {
    const copy = new URL(url);
    change(copy.searchParams);
    return copy;
  };
  const forged = [
    changed((search) => search.set("path", join(daemon.workspace, "a file&ü.txt"))),
    changed((search) => search.set("expires", String(Number(search.get("expires")) + 1))),
    changed((search) => search.set("expires", `0${search.get("expires")}x`)),
    changed((search) => search.set("signature", "")),
    changed((search) => search.set("signature", "A".repeat(43))),
    changed((search) => search.set("signature", "é".repeat(43))),
    changed((search) => search.delete("signature")),
    changed((search) => search.delete("path")),
  ];
  for (const one of forged) {
    const { status, text } = await use(one);
    expect([status, (JSON.parse(text) as Answer).code]).toEqual([403, "FORBIDDEN"]);
  }
  const put = await use(url, { method: "PUT", body: "mine" });
  expect(put.status).toBe(403);
  expect((JSON.parse(put.text) as Answer).message).toContain("not signed for PUT");
  expect(await readFile(join(daemon.workspace, "other.txt"), "utf8")).toBe("other");
  const upload = await sign("new.txt", { method: "PUT" });
  expect((await use(upload)).status).toBe(403);
});

test("an expired address says so", async () => {
  const url = await sign("other.txt", { expires_in: 1 });
  const late = await until(async () => {
    const answer = await use(url);
    return answer.status === 403 && answer;
  });
  expect((JSON.parse(late.text) as Answer).message).toContain("expired at");
});

test("a signed PUT writes the whole file or nothing of it", async () => {
  const url = await sign("uploads/new.bin", { method: "PUT" });
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const { status, text } = await use(url, { method: "PUT", body: bytes });
  expect([status, (JSON.parse(text) as Answer)["size"]]).toEqual([200, 60_000]);
  const path = join(daemon.workspace, "uploads/new.bin");
  expect(new Uint8Array(await readFile(path))).toEqual(bytes);
  const stale = await use(url, { method: "PUT", body: "x", headers: { "If-None-Match": "*" } });
  expect(stale.status).toBe(412);
  const leaving = new AbortController();
  let pulls = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (pulls++ < 3) controller.enqueue(new Uint8Array(70_000));
      else leaving.abort();
    },
  });
  await fetch(url, { method: "PUT", body, signal: leaving.signal }).catch(() => undefined);
  await until(async () => (await readdir(join(daemon.workspace, "uploads"))).join() === "new.bin");
  expect(new Uint8Array(await readFile(path))).toEqual(bytes);
});

test.each([
  [{ path: "" }],
  [{ path: "other.txt", method: "DELETE" }],
  [{ path: "other.txt", expires_in: 0 }],
  [{ path: "other.txt", expires_in: 604_801 }],
  [{ path: "other.txt", once: true }],
])("does not sign %j", async (body) => {
  expect((await daemon.post("/files/sign", body)).status).toBe(400);
});

test("signing needs a token", async () => {
  const { status } = await use(`${daemon.url}/files/sign`, { method: "POST", body: '{"path":"other.txt"}' });
  expect(status).toBe(401);
});

test("addresses outlive a restart, are no good for another daemon, and heed the allowed roots when used", async () => {
  const data = join(daemon.directory, "second-data");
  const roots = join(daemon.workspace, "roots");
  await mkdir(roots, { recursive: true });
  await writeFile(join(roots, "in.txt"), "in");
  const env = { SANDERLING_DATA_DIR: data, SANDERLING_WORKSPACE: daemon.workspace };
  let search: string;
  {
    await using second = await TestDaemon.start({ env });
    const { body } = await second.post("/files/sign", { path: "roots/in.txt" });
    search = new URL(String(body["url"])).search;
    expect((await use(`${daemon.url}/files/signed${search}`)).status).toBe(403);
  }
  await using third = await TestDaemon.start({ env: { ...env, SANDERLING_ALLOWED_ROOTS: roots } });
  const url = `${third.url}/files/signed${search}`;
  expect((await use(url)).text).toBe("in");
  await symlink(join(daemon.workspace, "other.txt"), join(roots, "out.txt"));
  expect((await third.post("/files/sign", { path: "roots/out.txt" })).status).toBe(403);
});
