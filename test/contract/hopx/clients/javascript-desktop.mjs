// Everything that the JavaScript library offers for the desktop. Run by desktop.test.ts; fails by throwing.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Sandbox } from "@hopx-ai/sdk";

const [url, id, key, form, told] = process.argv.slice(2);
const sandbox = await Sandbox.connect(id, key, url);
const { desktop } = sandbox;

/** Looks again until a fact holds. */
async function until(fact) {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline;) {
    const value = await fact();
    if (value) return value;
    await new Promise((resume) => setTimeout(resume, 50));
  }
  throw new Error(`never true: ${fact}`);
}

const read = (path) => readFile(path, "utf8").catch(() => "");
const letter = () => read(`${told}.text`);
const lines = async () => (await read(told)).split("\n");
const theForm = async () => (await desktop.listWindows()).find(({ title }) => title === "Form");
const sizeOf = (png) => {
  assert.equal(png.subarray(1, 4).toString(), "PNG");
  return [png.readUInt32BE(16), png.readUInt32BE(20)];
};

// VNC
const vnc = await desktop.startVnc();
assert.match(vnc.url, /^vnc:\/\/127\.0\.0\.1:\d+$/);
assert.equal(vnc.password.length, 8);
assert.equal((await desktop.getVncInfo()).port, vnc.port);
assert.equal(await desktop.getVncUrl(), vnc.url);

// Display
const display = await desktop.getDisplayInfo();
assert.deepEqual([display.width, display.height, display.depth], [1280, 800, 24]);
assert.equal(display.displays[0].primary, true);
assert(
  (await desktop.getAvailableResolutions()).some(([width, height]) => width === 1920 && height === 1080),
);
await desktop.setResolution(1024, 768);
assert.equal((await desktop.getDisplayInfo()).width, 1024);
await desktop.setResolution(1280, 800);

await desktop.startRecording();
await sandbox.commands.run(`/usr/bin/python3 ${form} ${told} --focus-text > /dev/null 2>&1 &`);
const window = await until(theForm);
await until(async () => (await lines()).includes("ready"));
await desktop.focusWindow(window.id);
assert.equal((await until(async () => ((await theForm()).focused ? theForm() : undefined))).isActive, true);

// Keyboard and clipboard
await desktop.keyboardType("Grüße, 世界 🎉");
await until(async () => (await letter()) === "Grüße, 世界 🎉");
await desktop.keyboardCombination(["ctrl", "a"]);
await desktop.keyboardPress("Delete");
await until(async () => (await letter()) === "");
await desktop.setClipboard("pasted ✓");
assert.equal(await desktop.getClipboard(), "pasted ✓");
await desktop.hotkey(["ctrl"], "v");
await until(async () => (await letter()) === "pasted ✓");
assert.deepEqual((await desktop.getClipboardHistory())[0], "pasted ✓");

// Text on the screen, and the mouse
const bounds = await desktop.getBounds("Save it");
await desktop.mouseClick(bounds.x + bounds.width / 2, bounds.y + bounds.height / 2);
await until(async () => (await lines()).some((line) => line.startsWith("saved")));
const element = await desktop.findElement("Remember me");
await desktop.mouseClick(element.x + 10, element.y + element.height / 2, { button: "left", clicks: 1 });
await until(async () => (await lines()).includes("remember True"));
assert.equal(await desktop.findElement("no such words on it"), null);
assert((await desktop.waitFor("Your name please", 20)).width > 0);
assert.match(await desktop.ocr(window.x, window.y, window.width, 120, { language: "eng" }), /name/i);
await desktop.mouseMove(300, 400);
await desktop.mouseScroll(640, 400, 3);
const place = await theForm();
await desktop.mouseDrag(place.x + 200, place.y + 8, place.x + 100, place.y + 58);
const moved = await until(async () => {
  const now = await theForm();
  return now.x < place.x ? now : undefined;
});
await desktop.dragDrop(moved.x + 200, moved.y + 8, moved.x + 300, moved.y + 8);
await until(async () => (await theForm()).x > moved.x);

// Pictures
const screenshot = await desktop.screenshot();
assert.deepEqual([screenshot.format, screenshot.width, screenshot.height], ["png", 1280, 800]);
assert.deepEqual(sizeOf(Buffer.from(screenshot.image, "base64")), [1280, 800]);
assert.deepEqual(sizeOf(Buffer.from(await desktop.screenshotRegion(10, 20, 300, 200))), [300, 200]);
const now = await theForm();
assert.deepEqual(sizeOf(Buffer.from(await desktop.captureWindow(now.id))), [now.width, now.height]);

// Windows
await desktop.resizeWindow(now.id, 600, 450);
await until(async () => (await theForm()).width === 600);
await desktop.minimizeWindow(now.id);
assert.equal((await theForm()).isMinimized, true);
await desktop.closeWindow(now.id);
await until(async () => (await theForm()) === undefined);

// The film of all this
const status = await desktop.getRecordingStatus();
assert.deepEqual([status.recording, status.status], [true, "recording"]);
await desktop.stopRecording();
const stopped = await desktop.getRecordingStatus();
assert.deepEqual([stopped.recording, stopped.status, stopped.format], [false, "stopped", "mp4"]);
const film = Buffer.from(await desktop.downloadRecording(stopped.recording_id));
assert.deepEqual([film.length, film.subarray(4, 8).toString()], [stopped.file_size, "ftyp"]);

// Debug
assert((await desktop.getDebugLogs()).some((line) => line.includes("ready")));
assert((await desktop.getDebugProcesses()).some(({ name }) => name === "Xvnc"));
await desktop.stopVnc();
console.log("ok");
