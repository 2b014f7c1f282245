import { expect, setDefaultTimeout, test } from "bun:test";
import { chmod, lstat, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readFileSync } from "node:fs";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

setDefaultTimeout(120_000);

const USER = "nobody";
const [, , UID = ""] =
  readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((line) => line.startsWith(`${USER}:`))
    ?.split(":") ?? [];

test.skipIf(process.getuid?.() !== 0)(
  "with run-as the whole desktop is that user's, and nothing is written where the user could put a link",
  async () => {
    await using daemon = await TestDaemon.start({ env: { SANDERLING_RUN_AS: USER } });
    await chmod(daemon.directory, 0o755);
    const launched = await daemon.post("/desktop/launch", { command: "exec xterm -e sleep 600" });
    expect(launched.body["window"]).toMatchObject({ class: "XTerm" });
    const { processes } = (await (await daemon.fetch("/desktop/debug/processes")).json()) as {
      processes: { pid: number; name: string }[];
    };
    const names = processes.map(({ name }) => name);
    for (const name of ["Xvnc", "openbox", "xterm"]) expect(names).toContain(name);
    for (const { pid } of processes)
      expect((await lstat(`/proc/${pid}`).catch(() => undefined))?.uid ?? Number(UID)).toBe(Number(UID));
    const { body } = await daemon.post("/commands/run", { command: "echo $XAUTHORITY" });
    const directory = dirname(body.stdout.trim());
    expect((await lstat(directory)).uid).toBe(0);
    expect((await lstat(join(directory, "authority"))).mode & 0o077).toBe(0);
    const planted = await daemon.post("/commands/run", { command: `ln -s /etc/passwd ${directory}/x` });
    expect([planted.body.exit_code, (await readdir(directory)).includes("x")]).toEqual([1, false]);
    expect((await daemon.post("/desktop/vnc/start", { password: "secret12" })).body["running"]).toBe(true);
    const recording = await daemon.post("/desktop/recording/start", {});
    expect((await lstat(String(recording.body["file_path"]))).uid).toBe(Number(UID));
    expect((await daemon.post("/desktop/recording/stop", {})).body["status"]).toBe("stopped");
    await until(async () => (await daemon.fetch("/desktop/elements")).status === 200);
  },
);
