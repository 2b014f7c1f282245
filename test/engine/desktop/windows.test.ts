import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { TestDesktop, tool } from "../../support/desktop.ts";
import { refusal, until } from "../../support/engine.ts";

setDefaultTimeout(60_000);

let desk: TestDesktop;
beforeAll(async () => {
  desk = await TestDesktop.open();
});
afterAll(() => desk[Symbol.asyncDispose]());

/** What another program says of a window. */
async function xwininfo(id: number): Promise<string> {
  return (await tool(["xwininfo", "-id", String(id)], { env: { ...desk.session.environment } })).toString();
}

describe("windows", () => {
  test("are listed with title, class, process and place", async () => {
    const { run, window } = await desk.launch("xterm", "-T", "Grüße", "-geometry", "80x24+50+60");
    expect(window).toMatchObject({
      title: "Grüße",
      windowClass: "XTerm",
      pid: run.pid,
      isFocused: true,
      isMinimized: false,
      isMaximized: false,
    });
    expect({ x: window.x, y: window.y }).toEqual({ x: 50, y: 60 });
    const told = await xwininfo(window.id);
    expect(told).toContain(`Absolute upper-left X:  ${window.content.x}\n`);
    expect(told).toContain(`Absolute upper-left Y:  ${window.content.y}\n`);
    expect(told).toContain(`Width: ${window.content.width}\n`);
    await run.destroy();
  });

  test("are moved and resized, with their frame, to where they were wanted", async () => {
    const { window } = await desk.launchForm();
    const { windows } = desk.session;
    expect(await windows.place(window.id, { x: 0, y: 0 })).toMatchObject({ x: 0, y: 0 });
    const placed = await windows.place(window.id, { x: 200, y: 150, width: 640, height: 480 });
    expect(placed).toMatchObject({ x: 200, y: 150, width: 640, height: 480 });
    expect(await xwininfo(window.id)).toContain(`Width: ${placed.content.width}\n`);
    expect(await windows.close(window.id)).toBe(true);
  });

  test("are maximised, restored, minimised and brought back with the keys", async () => {
    const { run, window } = await desk.launch("xterm");
    const other = await desk.launch("xterm");
    const { windows } = desk.session;
    await windows.maximize(window.id, "maximized");
    expect(await windows.get(window.id)).toMatchObject({ isMaximized: true, x: 0, y: 0 });
    await windows.maximize(window.id, "restored");
    expect(await windows.get(window.id)).toMatchObject({ isMaximized: false, width: window.width });
    await windows.minimize(window.id);
    expect(await windows.get(window.id)).toMatchObject({ isMinimized: true, isFocused: false });
    expect(await xwininfo(window.id)).toContain("Map State: IsUnMapped");
    await windows.focus(window.id);
    expect(await windows.get(window.id)).toMatchObject({ isMinimized: false, isFocused: true });
    expect(await windows.active()).toBe(window.id);
    await windows.focus(other.window.id);
    expect(await windows.active()).toBe(other.window.id);
    await Promise.all([run.destroy(), other.run.destroy()]);
  });

  test("are closed, and their program ends", async () => {
    const { run, window } = await desk.launch("xterm");
    expect(await desk.session.windows.close(window.id)).toBe(true);
    await run.outcome;
    await until(async () => (await desk.session.windows.list()).every(({ id }) => id !== window.id));
  });

  test("that are not there are refused", async () => {
    for (const doing of [
      desk.session.windows.focus(12345),
      desk.session.windows.close(12345),
      desk.session.windows.place(12345, { x: 1 }),
    ])
      expect((await refusal(doing)).code).toBe("not_found");
  });
});

describe("the clipboard", () => {
  const env = () => ({ ...desk.session.environment });

  test("gives what is copied to other programs, long values too", async () => {
    for (const text of ["Grüße 世界 🎉", "x".repeat(3_000_000)]) {
      await desk.session.clipboard.set({ type: "text/plain", bytes: new TextEncoder().encode(text) });
      const pasted = await tool(["xclip", "-o", "-selection", "clipboard"], { env: env() });
      expect(pasted.toString() === text).toBe(true);
    }
  });

  test("has what other programs copy, long values too, and remembers it", async () => {
    for (const text of ["copied elsewhere ✓", "y".repeat(2_000_000)]) {
      const input = new TextEncoder().encode(text);
      await tool(["sh", "-c", "xclip -selection clipboard -i >/dev/null 2>&1"], { env: env(), input });
      // It goes on in the background, and has the clipboard a moment later.
      await until(async () => (await desk.session.clipboard.text()) === text);
      await until(() => desk.session.clipboard.history[0] === text);
    }
    expect(desk.session.clipboard.history).toContain("copied elsewhere ✓");
  });

  test("carries pictures, byte by byte", async () => {
    const picture = crypto.getRandomValues(new Uint8Array(60_000));
    await desk.session.clipboard.set({ type: "image/png", bytes: picture });
    expect(await desk.session.clipboard.types()).toContain("image/png");
    const pasted = await tool(["xclip", "-o", "-selection", "clipboard", "-t", "image/png"], { env: env() });
    expect(Buffer.compare(pasted, picture)).toBe(0);
    expect(await desk.session.clipboard.text()).toBe("");
  });

  test("remembers the newest fifty, each once", async () => {
    const copy = (text: string) =>
      desk.session.clipboard.set({ type: "text/plain", bytes: new TextEncoder().encode(text) });
    for (let i = 0; i < 60; i++) await copy(`text ${i}`);
    await copy("text 30");
    const { history } = desk.session.clipboard;
    expect([history.length, history[0], history[1]]).toEqual([50, "text 30", "text 59"]);
    expect(history.filter((text) => text === "text 30")).toHaveLength(1);
  });

  test("refuses more than it keeps", async () => {
    const bytes = new Uint8Array(33 * 1024 * 1024);
    const error = await refusal(desk.session.clipboard.set({ type: "image/png", bytes }));
    expect(error.code).toBe("too_large");
  });
});
