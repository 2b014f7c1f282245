import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { listProcesses } from "../../../src/engine/process/proc.ts";
import { TestDesktop, tool } from "../../support/desktop.ts";
import { openEngine, refusal, until } from "../../support/engine.ts";

setDefaultTimeout(60_000);

describe("a desktop", () => {
  test("starts with what first needs it, once, and runs find its display", async () => {
    await using test = await openEngine();
    expect(test.engine.desktop.state.state).toBe("stopped");
    const [one, other] = await Promise.all([test.engine.desktop.use(), test.engine.desktop.use()]);
    expect(one).toBe(other);
    await using run = await test.sh("xdpyinfo | grep dimensions");
    await run.outcome;
    expect(new TextDecoder().decode((await run.journal.tail("stdout", 1000)).bytes)).toContain(
      "1280x800 pixels",
    );
  });

  test("lets nobody in without its cookie", async () => {
    await using test = await TestDesktop.open();
    const env = { DISPLAY: `:${test.session.display}` };
    const without = tool(["xdpyinfo"], { env: { ...env, XAUTHORITY: "/nonexistent", HOME: "/nonexistent" } });
    expect(without).rejects.toThrow();
    await tool(["xdpyinfo"], { env: { ...env, XAUTHORITY: String(test.session.environment["XAUTHORITY"]) } });
  });

  test("leaves no process and no file behind when it is stopped, and starts again", async () => {
    await using test = await TestDesktop.open();
    await test.launch("xterm");
    const pids = test.session.processes();
    const { path } = test.session.files;
    expect(pids.length).toBeGreaterThan(3);
    await test.desktop.stop();
    const living = new Set(listProcesses().flatMap(({ pid, state }) => (state === "Z" ? [] : [pid])));
    expect(pids.filter((pid) => living.has(pid))).toEqual([]);
    expect(existsSync(path)).toBe(false);
    test.session = await test.desktop.use();
    await test.launch("xterm");
  });

  test("says what is missing and how to get it", async () => {
    await using test = await openEngine();
    const bin = join(test.home, "bin");
    mkdirSync(bin);
    symlinkSync("/bin/sh", join(bin, "sh"));
    await test.engine.variables.merge({ PATH: bin });
    const error = await refusal(test.engine.desktop.use("ocr"));
    expect(error.code).toBe("unsupported");
    expect(error.message).toContain("sanderling setup desktop");
    expect(error.details["missing_dependencies"]).toEqual([
      "tigervnc-standalone-server",
      "openbox",
      "tesseract-ocr",
    ]);
  });

  test("tells sizes of its screen, and takes those it offers and any other", async () => {
    await using test = await TestDesktop.open({ desktopSize: { width: 1024, height: 768 } });
    const { screens } = test.session;
    expect(await screens.size()).toEqual({ width: 1024, height: 768 });
    expect(await screens.offered()).toContainEqual({ width: 1920, height: 1080 });
    const env = { ...test.session.environment };
    for (const size of [
      { width: 1920, height: 1080 },
      { width: 811, height: 603 },
      { width: 1280, height: 800 },
    ]) {
      await screens.resize(size);
      expect(await screens.size()).toEqual(size);
      expect((await tool(["xdpyinfo"], { env })).toString()).toContain(`${size.width}x${size.height} pixels`);
    }
  });
});

describe("faults", () => {
  test("a display that is killed is started again, and that is told", async () => {
    await using test = await TestDesktop.open();
    const { display } = test.session;
    process.kill(test.session.runs.get("Xvnc")?.pid ?? 0, "SIGKILL");
    const fresh = await until(() => {
      const { state } = test.desktop;
      return state.state === "running" && state.session !== test.session ? state.session : undefined;
    });
    expect(test.desktop.restarts).toEqual({ count: 1, lastEnd: "killed by SIGKILL" });
    expect(test.desktop.log.lines.join("\n")).toContain(`display :${display} ended: killed by SIGKILL`);
    expect(test.test.notices).toContain("the desktop's display ended; its programs are lost");
    test.session = fresh;
    await test.launch("xterm");
  });

  test("a call under way when the display dies is refused, not left waiting", async () => {
    await using test = await TestDesktop.open();
    const { keyboard } = test.session;
    const typing = refusal(keyboard.type("x".repeat(10_000), 5));
    process.kill(test.session.runs.get("Xvnc")?.pid ?? 0, "SIGKILL");
    expect(["unavailable", "gone"]).toContain((await typing).code);
  });

  test("a window manager that is killed is started again, and windows stay", async () => {
    await using test = await TestDesktop.open();
    const { window } = await test.launch("xterm");
    const before = test.session.runs.get("openbox")?.pid ?? 0;
    process.kill(before, "SIGKILL");
    await until(() => (test.session.runs.get("openbox")?.pid ?? before) !== before);
    expect(test.desktop.log.lines.join("\n")).toContain("openbox killed by SIGKILL; started again");
    await until(async () => (await test.session.windows.list()).some(({ id }) => id === window.id));
    await until(() =>
      test.session.windows.maximize(window.id, "maximized").then(
        () => true,
        () => false,
      ),
    );
  });

  test("helpers that keep ending are left alone", async () => {
    await using test = await TestDesktop.open();
    for (let kills = 0; kills < 20; kills++) {
      const run = await until(() => {
        const now = test.session.runs.get("openbox");
        const isTired = test.desktop.log.lines.some((line) => line.includes("left alone"));
        return isTired ? ("tired" as const) : now && !now.hasEnded ? now : undefined;
      });
      if (run === "tired") return;
      run.signal("SIGKILL");
      await run.outcome;
    }
    throw new Error("it was started again without end");
  });
});
