import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { CLIENT_PYTHON, runProgram } from "../../support/clients.ts";
import { TEST_API_KEY, TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";
import { freePort } from "../../support/ports.ts";

setDefaultTimeout(120_000);

const CLIENTS = join(import.meta.dir, "clients");
const FORM = join(import.meta.dir, "../../fixtures/programs/form.py");

function client(daemon: TestDaemon, argv: readonly string[], ...more: readonly string[]) {
  return runProgram([...argv, daemon.url, daemon.sandboxId, TEST_API_KEY, ...more]);
}

describe("the client libraries", () => {
  test.each([
    ["JavaScript", ["node", join(CLIENTS, "javascript-desktop.mjs")]],
    ["Python", [CLIENT_PYTHON, join(CLIENTS, "python_desktop.py")]],
  ])("do everything they offer for the desktop: %s", async (_, argv) => {
    await using daemon = await TestDaemon.start();
    const answer = await client(daemon, argv, FORM, join(daemon.workspace, "told"));
    expect(answer).toEqual({ code: 0, stdout: "ok\n", stderr: expect.any(String) as string });
  });

  test.each([
    ["JavaScript", ["node", join(CLIENTS, "javascript-no-desktop.mjs")]],
    ["Python", [CLIENT_PYTHON, join(CLIENTS, "python_no_desktop.py")]],
  ])("are told at once, with a typed error, that a machine has no desktop: %s", async (_, argv) => {
    await using daemon = await startWithout();
    const answer = await client(daemon, argv);
    expect([answer.code, answer.stdout.split(" ")[0]?.trim()]).toEqual([0, "refused"]);
    await daemon.stop();
    const asked = (await daemon.log).split("\n").filter((line) => line.includes('"route":"/desktop/'));
    expect(asked).toHaveLength(1);
  });
});

/** A daemon whose runs find none of the desktop's programs. */
async function startWithout(): Promise<TestDaemon> {
  const bin = join("/tmp", `sanderling-test-bin-${process.pid}`);
  await mkdir(bin, { recursive: true });
  await symlink("/bin/sh", join(bin, "sh")).catch(() => undefined);
  return TestDaemon.start({ env: { PATH: bin } });
}

test("without a desktop every route says what is missing", async () => {
  await using daemon = await startWithout();
  const { status, body } = await daemon.post("/desktop/mouse/click", { x: 1, y: 1 });
  expect([status, body.code]).toEqual([400, "DESKTOP_NOT_AVAILABLE"]);
  expect(body).toMatchObject({
    missing_dependencies: ["tigervnc-standalone-server", "openbox"],
    details: { missing_dependencies: ["tigervnc-standalone-server", "openbox"] },
  });
  expect((await daemon.post("/desktop/recording/start", {})).body).toMatchObject({
    missing_dependencies: ["tigervnc-standalone-server", "openbox", "ffmpeg"],
  });
  expect((await daemon.fetch("/desktop/vnc/status")).status).toBe(400);
});

describe("the forms of requests", () => {
  test("an action word, or its fields alone, mean what the paths mean", async () => {
    await using daemon = await TestDaemon.start({ env: { SANDERLING_DESKTOP_AUTOSTART: "true" } });
    const status = async () =>
      (await (await daemon.fetch("/desktop/vnc/info")).json()) as { desktop: string };
    await until(async () => (await status()).desktop === "running");
    const accept = async (path: string, body: object) => {
      const answer = await daemon.post(path, body);
      expect([path, body, answer.status]).toEqual([path, body, 200]);
      return answer.body;
    };
    const refuse = async (path: string, body: object) => {
      const answer = await daemon.post(path, body);
      expect(answer.status).toBe(400);
      return answer.body.error;
    };
    expect(await refuse("/desktop/windows/focus", { window_id: "first" })).toContain("number of a window");
    expect(await refuse("/desktop/windows/focus", {})).toContain("number of a window");
    expect(await refuse("/desktop/clipboard/set", { type: "image/png", data: "!!!" })).toContain("base64");
    const xev = await accept("/desktop/launch", { command: "xev > xev.log", timeout: 20 });
    expect(xev["window"]).toMatchObject({ title: "Event Tester", focused: true });
    expect(await accept("/desktop/launch", { command: "echo no display >&2; exit 3" })).toMatchObject({
      success: false,
      window: null,
      ended: "exited with code 3",
      stderr: "no display\n",
    });
    expect(await accept("/desktop/launch", { command: "true", timeout: 0 })).toMatchObject({ success: true });
    await accept("/desktop/mouse", { action: "move", x: 100, y: 100 });
    await accept("/desktop/mouse", { x: 101, y: 101 });
    await accept("/desktop/mouse", { action: "double-click", x: 101, y: 101 });
    await accept("/desktop/mouse", { x: 640, y: 400, button: "left", image_width: 1280, image_height: 800 });
    await accept("/desktop/mouse", { amount: 2, direction: "up" });
    await accept("/desktop/mouse", { from_x: 10, from_y: 10, to_x: 20, to_y: 20, duration_ms: 0 });
    await accept("/desktop/keyboard", { text: "abc" });
    await accept("/desktop/keyboard", { key: "ctrl+c" });
    await accept("/desktop/keyboard", { action: "combination", modifiers: ["ctrl"], key: "c" });
    await accept("/desktop/x11/hotkey", { modifiers: ["ctrl"], key: "c" });
    await accept("/desktop/x11/drag-drop", { from_x: 10, from_y: 10, to_x: 20, to_y: 20 });
    await accept("/desktop/clipboard", { content: "one" });
    expect(await accept("/desktop/clipboard", {})).toMatchObject({ content: "one", text: "one" });
    expect(await accept("/desktop/display", {})).toMatchObject({ width: 1280, height: 800 });
    expect(await accept("/desktop/vnc", { action: "start" })).toMatchObject({ running: true });
    const port = await freePort();
    expect(await accept("/desktop/vnc/start", { port })).toMatchObject({ running: true, port });
    expect(await accept("/desktop/vnc", { action: "stop" })).toMatchObject({ running: false });
    const recording = await accept("/desktop/recording", { output_file: "film.webm" });
    expect(recording).toMatchObject({ format: "webm", file_path: join(daemon.workspace, "film.webm") });
    expect(await accept("/desktop/recording", { action: "stop" })).toMatchObject({ status: "stopped" });
    const film = await daemon.fetch("/desktop/recording/download", { headers: { range: "bytes=0-3" } });
    expect([film.status, film.headers.get("content-type")]).toEqual([206, "video/webm"]);
  });

  test("pictures are given as the client can read them", async () => {
    await using daemon = await TestDaemon.start({ env: { SANDERLING_DESKTOP_SIZE: "800x600" } });
    const raw = await daemon.fetch("/desktop/screenshot?format=jpeg&scale=0.5");
    expect([raw.status, raw.headers.get("content-type")]).toEqual([200, "image/jpeg"]);
    const json = await daemon.fetch("/desktop/screenshot?stable_ms=50", {
      headers: { accept: "application/json" },
    });
    expect(await json.json()).toMatchObject({ format: "png", width: 800, height: 600, stable: true });
    const posted = await daemon.fetch("/desktop/screenshot/region", {
      method: "POST",
      headers: { accept: "application/json", "content-type": "application/json" },
      body: JSON.stringify({ x: 0, y: 0, width: 40, height: 30 }),
    });
    const { type, data } = (await posted.json()) as { type: string; data: number[] };
    expect([type, data.slice(0, 4)]).toEqual(["Buffer", [0x89, 0x50, 0x4e, 0x47]]);
  });

  test.each([
    ["/desktop/mouse/click", { x: 5 }, "Give both x and y, or neither"],
    ["/desktop/mouse/click", { x: 99_999, y: 5 }, "outside the screen"],
    ["/desktop/mouse", { action: "juggle" }, "The mouse cannot juggle"],
    ["/desktop/keyboard/press", { key: "Quux" }, 'There is no key named "Quux"'],
    ["/desktop/keyboard/combination", { keys: ["a"], key: "b" }, "Give either keys, or modifiers and key"],
    ["/desktop/vnc/start", { password: "a long password" }, "the protocol knows 6 to 8"],
    ["/desktop/display/set", { width: 1, height: 1 }, "width: Too small"],
    ["/desktop/x11/ocr", { language: "tlh" }, "Cannot read tlh: installed are"],
    ["/desktop/launch", { command: "/no/such", args: [] }, "Cannot start /no/such"],
    ["/desktop/launch", { command: "no-such-program --new" }, "not found"],
    ["/desktop/launch", { command: "/etc/passwd" }, "ermission denied"],
    ["/desktop/vnc/start", { port: 70_000 }, "port: Too big"],
  ])("%s refuses %p", async (path, request, message) => {
    await using daemon = await TestDaemon.start();
    const { status, body } = await daemon.post(path, request);
    expect([status, body.code]).toEqual([400, "INVALID_REQUEST"]);
    expect(body.error).toContain(message);
  });
});
