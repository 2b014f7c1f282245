import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { grab } from "../../../src/engine/desktop/frame.ts";
import { encode, PLAIN_PNG } from "../../../src/engine/desktop/picture.ts";
import { capture, captureWindow, waitUntilStable } from "../../../src/engine/desktop/screenshot.ts";
import { pixelsOf, TestDesktop, tool } from "../../support/desktop.ts";
import { refusal } from "../../support/engine.ts";

setDefaultTimeout(60_000);

let desk: TestDesktop;
beforeAll(async () => {
  desk = await TestDesktop.open();
});
afterAll(() => desk[Symbol.asyncDispose]());

const env = () => ({ ...desk.session.environment });

describe("pictures", () => {
  test("are, pixel by pixel, what another program sees", async () => {
    const { run } = await desk.launchXev();
    await desk.session.pointer.move({ x: 10, y: 10 });
    await waitUntilStable(desk.session, { quietMs: 100, timeoutMs: 5000 });
    const { bytes } = await encode(await capture(desk.session), PLAIN_PNG);
    const ours = await pixelsOf(bytes);
    const theirs = await pixelsOf(await tool(["maim", "--hidecursor"], { env: env() }));
    expect(ours.byteLength).toBe(1280 * 800 * 3);
    expect(Buffer.compare(ours, theirs)).toBe(0);
    await run.destroy();
  });

  test("show a part of the screen, and refuse one that is not all on it", async () => {
    await tool(["xsetroot", "-solid", "#123456"], { env: env() });
    const { bytes } = await encode(
      await capture(desk.session, { area: { x: 1100, y: 700, width: 3, height: 2 } }),
      PLAIN_PNG,
    );
    expect((await pixelsOf(bytes)).toString("hex")).toBe("123456".repeat(6));
    const outside = capture(desk.session, { area: { x: 1200, y: 0, width: 100, height: 10 } });
    expect((await refusal(outside)).message).toContain("is not all on the screen of 1280x800");
  });

  test("have the pointer in them only when asked", async () => {
    await tool(["xsetroot", "-solid", "#000000", "-cursor_name", "left_ptr"], { env: env() });
    await desk.session.pointer.move({ x: 1000, y: 60 });
    const area = { x: 980, y: 40, width: 60, height: 60 };
    const without = await capture(desk.session, { area });
    expect(without.pixels.every((value) => value === 0)).toBe(true);
    const withCursor = await capture(desk.session, { area, withCursor: true });
    expect(withCursor.pixels.some((value) => value !== 0)).toBe(true);
  });

  test.each(["png", "jpeg", "webp"] as const)("are made as %s, and in another size", async (format) => {
    const frame = await grab(desk.session.x, { x: 0, y: 0, width: 640, height: 400 });
    const picture = await encode(frame, { format, quality: 80, scale: 0.5 });
    expect(picture).toMatchObject({ format, width: 320, height: 200 });
    const probe = [
      "ffprobe",
      "-v",
      "error",
      "-show_entries",
      "stream=codec_name,width,height",
      "-of",
      "csv=p=0",
      "-",
    ];
    const codec = { png: "png", jpeg: "mjpeg", webp: "webp" }[format];
    expect((await tool(probe, { input: picture.bytes })).toString().trim()).toBe(`${codec},320,200`);
  });

  test("show a window that was covered", async () => {
    await tool(["xsetroot", "-solid", "#000000"], { env: env() });
    const red = await desk.launch("xterm", "-bg", "#ff0000", "-geometry", "60x20+200+200");
    const blue = await desk.launch("xterm", "-bg", "#0000ff", "-geometry", "60x20+200+200");
    const frame = await captureWindow(desk.session, red.window.id);
    expect({ width: frame.width, height: frame.height }).toEqual({
      width: red.window.width,
      height: red.window.height,
    });
    const middle = 4 * (Math.floor(frame.height / 2) * frame.width + Math.floor(frame.width / 2));
    expect([...frame.pixels.subarray(middle, middle + 3)]).toEqual([0, 0, 255]);
    expect((await refusal(captureWindow(desk.session, 4711))).code).toBe("not_found");
    await Promise.all([red.run.destroy(), blue.run.destroy()]);
  });

  test("wait until nothing is drawn any more, but not for ever", async () => {
    expect(await waitUntilStable(desk.session, { quietMs: 50, timeoutMs: 20_000 })).toBe(true);
    const restless =
      'while true; do printf "\\033[2J\\033[3%dm%s\\n" $((RANDOM % 8)) "$(seq 1 200)"; sleep 0.01; done';
    const { run } = await desk.launch("xterm", "-e", "bash", "-c", restless);
    expect(await waitUntilStable(desk.session, { quietMs: 300, timeoutMs: 700 })).toBe(false);
    await run.destroy();
    expect(await waitUntilStable(desk.session, { quietMs: 100, timeoutMs: 20_000 })).toBe(true);
  });
});
