import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { RfbViewer } from "../../support/rfb.ts";
import { TestDesktop } from "../../support/desktop.ts";
import { freePort, heldPort } from "../../support/ports.ts";
import { printed, refusal, said, until } from "../../support/engine.ts";

setDefaultTimeout(60_000);

let desk: TestDesktop;
beforeAll(async () => {
  desk = await TestDesktop.open();
});
afterAll(() => desk[Symbol.asyncDispose]());

async function started(password?: string) {
  await desk.desktop.vnc.start(password === undefined ? {} : { password });
  const { facts } = desk.desktop.vnc;
  if (facts?.port === undefined) throw new Error("the door is closed");
  return { ...facts, port: facts.port };
}

describe("VNC", () => {
  test("lets those in who know the password, to see and to touch", async () => {
    const { port, password } = await started();
    const { run, window } = await desk.launchXev();
    await using viewer = await RfbViewer.open(port, password);
    viewer.click(window.content.x + 120, window.content.y + 130);
    await said(run, /ButtonPress[^]*?\(120,130\)/);
    viewer.requestScreen(1280, 800);
    const FRAMEBUFFER_UPDATE = 0;
    expect((await viewer.take(4))[0]).toBe(FRAMEBUFFER_UPDATE);
    await run.destroy();
  });

  test("lets those who know the other password look and not touch", async () => {
    const { port, password, viewPassword } = await started();
    const { run, window } = await desk.launchXev();
    await using onlooker = await RfbViewer.open(port, viewPassword);
    onlooker.click(window.content.x + 222, window.content.y + 111);
    onlooker.requestScreen(1280, 800);
    expect((await onlooker.take(4))[0]).toBe(0);
    // What somebody else does afterwards arrives, and nothing before it.
    await using user = await RfbViewer.open(port, password);
    user.click(window.content.x + 140, window.content.y + 150);
    await said(run, /ButtonRelease[^]*?\(140,150\)/);
    expect(new TextDecoder().decode(await printed(run))).not.toContain("(222,111)");
    await run.destroy();
  });

  test("takes the password it is given, refuses others, and has another one after a stop", async () => {
    const { port, password } = await started("open sesame".slice(0, 8));
    expect(password).toBe("open ses");
    expect(RfbViewer.open(port, "wrong").then(() => "let in")).rejects.toThrow("Authentication failure");
    await using viewer = await RfbViewer.open(port, password);
    await desk.desktop.vnc.stop();
    await until(() => viewer.socket.destroyed);
    expect(desk.desktop.vnc.facts).toBeUndefined();
    const refused = connect(port, "127.0.0.1");
    expect(await once(refused, "error").then(([error]) => String(error))).toContain("ECONNREFUSED");
    expect((await started()).password).not.toBe("open ses");
    expect((await refusal(desk.desktop.vnc.start({ password: "short" }))).code).toBe("invalid");
  });

  test("leaves the desktop as it is when it is stopped", async () => {
    const { run, window } = await desk.launch("xterm");
    await started();
    await desk.desktop.vnc.stop();
    expect((await desk.session.windows.list()).some(({ id }) => id === window.id)).toBe(true);
    await run.destroy();
  });

  test("listens where it is told, whoever looks on already, and keeps its port when the other is taken", async () => {
    const { port: first, password } = await started();
    await using viewer = await RfbViewer.open(first, password);
    const port = await freePort();
    await desk.desktop.vnc.start({ port });
    expect(desk.desktop.vnc.facts).toMatchObject({ port, password });
    const closed = connect(first, "127.0.0.1");
    expect(await once(closed, "error").then(([error]) => String(error))).toContain("ECONNREFUSED");
    await using other = await RfbViewer.open(port, password);
    for (const one of [viewer, other]) {
      one.requestScreen(1280, 800);
      expect((await one.take(4))[0]).toBe(0);
    }
    await using taken = await heldPort();
    const refused = await refusal(desk.desktop.vnc.start({ port: taken.port, password: "another" }));
    expect(refused.code).toBe("conflict");
    expect(refused.message).toContain(`port ${taken.port}: `);
    expect(desk.desktop.vnc.facts).toMatchObject({ port, password });
    await desk.desktop.vnc.stop();
  });

  test("a viewer that never reads holds up nobody, and no memory", async () => {
    const { port, password } = await started();
    const deaf = await RfbViewer.open(port, password);
    deaf.socket.pause();
    const before = process.memoryUsage.rss();
    for (let times = 0; times < 200; times++) deaf.requestScreen(1280, 800);
    await using other = await RfbViewer.open(port, password);
    for (let times = 0; times < 3; times++) {
      other.requestScreen(1280, 800);
      expect((await other.take(4)).byteLength).toBe(4);
    }
    await desk.launchXev().then(({ run }) => run.destroy());
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 1024 * 1024);
    deaf.socket.destroy();
    await until(() => desk.desktop.vnc.facts?.viewers === 1);
  });

  test("goes on with the same passwords after the display has died", async () => {
    const { port, password } = await started("password");
    process.kill(desk.session.runs.get("Xvnc")?.pid ?? 0, "SIGKILL");
    desk.session = await until(() => {
      const { state } = desk.desktop;
      return state.state === "running" && state.session !== desk.session ? state.session : undefined;
    });
    await using viewer = await RfbViewer.open(port, password);
    viewer.requestScreen(1280, 800);
    expect((await viewer.take(4))[0]).toBe(0);
  });
});
