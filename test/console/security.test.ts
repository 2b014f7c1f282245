import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { TestDaemon } from "../support/daemon.ts";
import { ConsoleBrowser, logIn } from "./browser.ts";

setDefaultTimeout(60_000);

let daemon: TestDaemon;
let browser: ConsoleBrowser;

beforeAll(async () => {
  daemon = await TestDaemon.start();
  browser = await ConsoleBrowser.open(daemon);
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

/** The cookie of a fresh session, and its key. */
async function openSession(): Promise<{ cookie: string; key: string }> {
  const answer = await fetch(`${daemon.url}/console/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token: daemon.token }),
  });
  const { key } = (await answer.json()) as { key: string };
  return { cookie: (answer.headers.get("set-cookie") ?? "").split(";")[0] ?? "", key };
}

async function statusOf(headers: Record<string, string>): Promise<number> {
  return (await fetch(`${daemon.url}/system`, { headers })).status;
}

test("the token is in no address, storage, cookie or page, and nothing of it in the log", async () => {
  const page = await browser.page();
  await logIn(page, "no token at all");
  await page.getByText("Invalid token").waitFor();
  await logIn(page, daemon.token);
  await page.getByRole("link", { name: "Terminal" }).click();
  await page.getByRole("button", { name: "Open a terminal" }).click();
  await page.locator(".xterm").waitFor();
  const kept = await page.evaluate<string>(
    "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href, document.cookie, document.documentElement.outerHTML])",
  );
  const cookies = await browser.context.cookies();
  expect(cookies.map(({ httpOnly, sameSite }) => [httpOnly, sameSite])).toEqual([[true, "Strict"]]);
  const secrets = [daemon.token, cookies[0]?.value ?? "?"];
  for (const secret of secrets) {
    expect(kept).not.toContain(secret);
    expect(browser.addresses.filter((address) => address.includes(secret))).toEqual([]);
  }
  expect(JSON.stringify(cookies)).not.toContain(daemon.token);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Log in to this sandbox" }).waitFor();
  expect(await browser.context.cookies()).toEqual([]);
  await page.close();
  await daemon.stop();
  const log = await daemon.log;
  expect(log).toContain("/console/session");
  for (const secret of secrets) expect(log).not.toContain(secret);
  await daemon[Symbol.asyncDispose]();
  daemon = await TestDaemon.start();
});

test("a session needs its cookie and its key, and ends when it is logged out", async () => {
  const { cookie, key } = await openSession();
  expect(await statusOf({ cookie, "X-Console-Key": key })).toBe(200);
  expect(await statusOf({ cookie })).toBe(401);
  expect(await statusOf({ "X-Console-Key": key })).toBe(401);
  const other = await openSession();
  expect(await statusOf({ cookie, "X-Console-Key": other.key })).toBe(401);
  const ended = await fetch(`${daemon.url}/console/session`, {
    method: "DELETE",
    headers: { cookie, "X-Console-Key": key },
  });
  expect(ended.status).toBe(204);
  expect(await statusOf({ cookie, "X-Console-Key": key })).toBe(401);
  expect(await statusOf({ cookie: other.cookie, "X-Console-Key": other.key })).toBe(200);
});

test("a session ends no later than the token that opened it", async () => {
  const { SignJWT } = await import("jose");
  const { TEST_SECRET } = await import("../support/daemon.ts");
  const end = Math.floor(Date.now() / 1000) + 60;
  const token = await new SignJWT({ sandbox_id: daemon.sandboxId })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime(end)
    .sign(new TextEncoder().encode(TEST_SECRET));
  const { body } = await daemon.post("/console/session", { token });
  expect(Date.parse(String(body["expires_at"]))).toBe(end * 1000);
});

test("requests and WebSockets of other sites are refused, whatever they carry", async () => {
  const { cookie, key } = await openSession();
  const headers = { cookie, "X-Console-Key": key };
  for (const origin of ["https://evil.example", "null", daemon.url.replace(/\d+$/, "1")]) {
    expect(await statusOf({ ...headers, origin })).toBe(403);
    const handshake = { upgrade: "websocket", connection: "Upgrade", "sec-websocket-version": "13" };
    const socket = { ...handshake, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
    const answer = await fetch(`${daemon.url}/terminal`, { headers: { ...headers, ...socket, origin } });
    expect(answer.status).toBe(403);
  }
  expect(await statusOf({ ...headers, host: "evil.example" })).toBe(403);
});

test("a page on another port of the same host cannot use the session that the browser has", async () => {
  await using fresh = await browser.another(daemon);
  const page = await fresh.page();
  await logIn(page, daemon.token);
  await page.getByRole("textbox", { name: "Code" }).waitFor();
  let sent = "";
  using stranger = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: ({ headers }) => {
      sent = headers.get("cookie") ?? "";
      return new Response("<!doctype html><title>stranger</title>", {
        headers: { "Content-Type": "text/html" },
      });
    },
  });
  await page.goto(`http://127.0.0.1:${stranger.port ?? 0}/`);
  // Ports share cookies; that is why the cookie alone must open nothing.
  expect(sent).toStartWith("console_");
  expect(await statusOf({ cookie: sent })).toBe(401);
  const tried = await page.evaluate<unknown[]>(`(async () => {
    const attempt = (work) => work().then((answer) => answer.status ?? "reached", (error) => error.name);
    const socket = (url) => new Promise((resolve, reject) => {
      Object.assign(new WebSocket(url), { onopen: resolve, onerror: () => reject(new TypeError("refused")) });
    });
    return [
      await attempt(() => fetch("${fresh.url}/system", { credentials: "include" })),
      await attempt(() => fetch("${fresh.url}/commands/run", { method: "POST", credentials: "include",
        headers: { "Content-Type": "text/plain" }, body: '{"command": "touch stranger"}' })),
      await attempt(() => socket("${fresh.url.replace("http", "ws")}/terminal")),
    ];
  })()`);
  expect(tried).toEqual(["TypeError", "TypeError", "TypeError"]);
  expect(await Bun.file(`${daemon.workspace}/stranger`).exists()).toBe(false);
});

test("the page takes scripts from its own files only, and is shown in no frame", async () => {
  const answer = await fetch(`${daemon.url}/console`);
  const policy = answer.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self';");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  const html = await answer.text();
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/);
  expect(html).not.toContain("://");
  const frame = await fetch(`${daemon.url}/console/frame`);
  const framed = frame.headers.get("content-security-policy") ?? "";
  expect(framed).toContain("sandbox allow-scripts;");
  expect(framed).not.toContain("allow-same-origin");
  expect(framed).not.toContain("connect-src");
});
