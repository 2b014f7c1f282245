import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { RecordingOptions } from "../../../src/engine/desktop/recording.ts";
import { film, TestDesktop, tool } from "../../support/desktop.ts";
import { openEngine, refusal, until } from "../../support/engine.ts";

setDefaultTimeout(60_000);

const PLAIN: RecordingOptions = {
  fps: 10,
  format: "mp4",
  quality: "low",
  mostSeconds: 60,
  mostBytes: 50_000_000,
};

let desk: TestDesktop;
beforeAll(async () => {
  desk = await TestDesktop.open({ desktopSize: { width: 640, height: 480 } });
});
afterAll(() => desk[Symbol.asyncDispose]());

const record = (options: Partial<RecordingOptions> = {}, path?: string) =>
  desk.desktop.recordings.start({ ...PLAIN, ...options }, path);

describe("recordings", () => {
  test.each([
    ["mp4", "h264"],
    ["webm", "vp8"],
  ] as const)("are films, one after another: %s", async (format, codec) => {
    for (let times = 0; times < 2; times++) {
      const recording = await record({ format });
      expect(recording.end).toBeUndefined();
      await until(() => recording.seconds > 1.5);
      expect(await recording.stop()).toEqual({ state: "stopped", reason: "requested" });
      expect(await recording.stop()).toEqual({ state: "stopped", reason: "requested" });
      const { frames, ...facts } = await film(recording.path);
      expect(facts).toEqual({ codec, width: 640, height: 480 });
      expect(frames).toBeGreaterThan(0);
    }
    const ids = desk.desktop.recordings.list().map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("end by themselves at their limits, and say which", async () => {
    const long = await record({ mostSeconds: 1 });
    await until(() => long.end);
    expect(long.end).toEqual({ state: "stopped", reason: "time_limit" });
    const { run } = await desk.launch(
      "xterm",
      "-e",
      "bash",
      "-c",
      "while true; do head -c 3000 /dev/urandom | base64; done",
    );
    const large = await record({ mostBytes: 200_000, quality: "high", fps: 30 });
    await until(() => large.end);
    expect(large.end).toEqual({ state: "stopped", reason: "size_limit" });
    // To within a picture or two of noise.
    expect(large.bytes).toBeLessThan(10_000_000);
    expect((await film(large.path)).frames).toBeGreaterThan(0);
    await run.destroy();
  });

  test.each(["mp4", "webm"] as const)("are still films when the recorder is killed: %s", async (format) => {
    const recording = await record({ format });
    await until(() => recording.bytes > 20_000 || recording.seconds > 4);
    recording.run.signal("SIGKILL");
    await until(() => recording.end);
    expect(recording.end).toEqual({ state: "failed", reason: "ffmpeg killed by SIGKILL" });
    expect((await film(recording.path)).frames).toBeGreaterThan(0);
  });

  test("end when the screen gets another size, whole and with the reason", async () => {
    const recording = await record();
    await until(() => recording.seconds > 1.5);
    await desk.session.screens.resize({ width: 800, height: 600 });
    await until(() => recording.end);
    expect(recording.end).toEqual({ state: "stopped", reason: "resolution_changed" });
    expect(await film(recording.path)).toMatchObject({ width: 640, height: 480 });
    await desk.session.screens.resize({ width: 640, height: 480 });
  });

  test("are refused where they cannot be written, in another format than their name, and too many", async () => {
    expect((await refusal(record({}, "/dev/null/film.mp4"))).message).toContain("Cannot record to");
    expect((await refusal(record({}, "/tmp/film.webm"))).message).toContain("its name says webm");
    const two = [await record(), await record()];
    expect((await refusal(record())).code).toBe("busy");
    await Promise.all(two.map((one) => one.stop()));
  });

  test.skipIf(process.getuid?.() !== 0)("fail on a full disk, and what is there is a film", async () => {
    const disk = join(desk.test.workspace, "small-disk");
    mkdirSync(disk);
    await tool(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk]);
    try {
      const busy = "while true; do head -c 3000 /dev/urandom | base64; done";
      const { run } = await desk.launch("xterm", "-e", "bash", "-c", busy);
      const recording = await record({ quality: "high", fps: 30 }, join(disk, "film.mp4"));
      await until(() => recording.end);
      expect(recording.end?.state).toBe("failed");
      expect(recording.end?.reason).toContain("No space left on device");
      expect((await film(recording.path)).frames).toBeGreaterThan(0);
      await run.destroy();
    } finally {
      await tool(["umount", disk]);
    }
  });

  test("end with the desktop, and nothing of them lives on", async () => {
    await using test = await openEngine();
    const recording = await test.engine.desktop.recordings.start(PLAIN);
    await test.engine[Symbol.asyncDispose]();
    expect(recording.end).toEqual({ state: "stopped", reason: "requested" });
    expect((await film(recording.path)).frames).toBeGreaterThan(0);
  });
});
