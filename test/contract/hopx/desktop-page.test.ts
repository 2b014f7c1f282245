import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { Chromium } from "../../support/chromium.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { read } from "../../support/desktop.ts";
import { until } from "../../support/engine.ts";

setDefaultTimeout(120_000);

const FORM = join(import.meta.dir, "../../fixtures/programs/form.py");
const SAVE = { x: 640, y: 302 };
const SCREEN_WIDTH = 1280;

async function link(daemon: TestDaemon, viewOnly: boolean): Promise<string> {
  const { status, body } = await daemon.post("/desktop/vnc/link", { view_only: viewOnly });
  expect(status).toBe(200);
  return String(body["url"]);
}

/** Opens the page and clicks on the form's button, as a person would. */
async function lookAndClick(browser: Chromium, url: string): Promise<string> {
  await browser.send("Page.navigate", { url });
  const state = String(await until(() => browser.evaluate("document.documentElement.dataset.state")));
  // The first picture may come a moment after the connection.
  const place = "JSON.stringify(document.querySelector('canvas').getBoundingClientRect())";
  const drawn = "document.querySelector('canvas')?.width";
  await until(async () => (await browser.evaluate(drawn)) === SCREEN_WIDTH);
  const { x, y, width } = JSON.parse(String(await browser.evaluate(place))) as Record<string, number>;
  const factor = (width ?? 0) / SCREEN_WIDTH;
  await browser.click((x ?? 0) + SAVE.x * factor, (y ?? 0) + SAVE.y * factor);
  return state;
}

test("a person sees the desktop in a browser, and clicks into it, or only looks", async () => {
  await using daemon = await TestDaemon.start();
  const told = join(daemon.workspace, "told");
  await daemon.post("/desktop/launch", { command: "/usr/bin/python3", args: [FORM, told] });
  const saved = async () => (await read(told)).split("\n").filter((line) => line.startsWith("saved")).length;
  await until(async () => (await read(told)).includes("ready"));
  await using browser = await Chromium.open();
  expect(await lookAndClick(browser, await link(daemon, false))).toBe("connected");
  await until(async () => (await saved()) === 1);
  expect(await browser.evaluate("location.search")).toBe("");
  expect((await browser.screenshot()).byteLength).toBeGreaterThan(5000);
  expect(await lookAndClick(browser, await link(daemon, true))).toBe("connected, looking only");
  // What the same person may do afterwards arrives, and nothing before it.
  expect(await lookAndClick(browser, await link(daemon, false))).toBe("connected");
  await until(async () => (await saved()) >= 2);
  expect(await saved()).toBe(2);
});

test("a link works once, and nothing of the page is had without a ticket", async () => {
  await using daemon = await TestDaemon.start();
  const url = await link(daemon, true);
  const page = await fetch(url);
  expect([page.status, page.headers.get("referrer-policy")]).toEqual([200, "no-referrer"]);
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
  expect((await fetch(url)).status).toBe(401);
  for (const path of ["/desktop/vnc", "/desktop/vnc/websocket"])
    expect((await fetch(daemon.url + path)).status).toBe(401);
  expect((await fetch(`${daemon.url}/desktop/vnc/novnc/core/rfb.js`)).status).toBe(200);
  expect((await fetch(`${daemon.url}/desktop/vnc/novnc/core/no-such.js`)).status).toBe(404);
});
