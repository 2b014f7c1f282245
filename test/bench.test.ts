import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Report, ScenarioReport } from "../bench/report/report.ts";
import { listProcesses, startEnvironment } from "../src/engine/process/proc.ts";
import { temporaryDirectory, type TemporaryDirectory } from "./setup/support.ts";
import { cli, ROOT } from "./support/cli.ts";
import { TEST_ACCESS_TOKEN, TestDaemon } from "./support/daemon.ts";
import { until } from "./support/engine.ts";

setDefaultTimeout(60_000);

const BENCH = [process.execPath, join(ROOT, "bench/main.ts")];
/** Carried by everything that a benchmark starts, so that what is left behind is found. */
const MARKER = "BENCH_TEST_DIRECTORY";

function environment({ path }: TemporaryDirectory) {
  return { TMPDIR: path, [MARKER]: path };
}

function bench(directory: TemporaryDirectory, ...args: readonly string[]) {
  return cli(args, { command: BENCH, env: environment(directory) });
}

/** Waits until no process of a benchmark lives and its directory of temporary files is empty. */
async function expectNothingLeft({ path }: TemporaryDirectory): Promise<void> {
  const isOurs = (pid: number) => startEnvironment(pid).includes(`${MARKER}=${path}`);
  await until(() => !listProcesses().some(({ pid, state }) => state !== "Z" && isOurs(pid)));
  expect(await readdir(path)).toEqual([]);
}

async function reportOf(path: string): Promise<Report> {
  return (await Bun.file(path).json()) as Report;
}

function scenarioOf(report: Report, name: string): ScenarioReport {
  const found = report.subjects
    .flatMap(({ scenarios }) => scenarios)
    .find((scenario) => scenario.name === name);
  if (found === undefined) throw new Error(`the report has no ${name}`);
  return found;
}

describe("make bench", () => {
  test("tells what it measured as a table, as JSON and as a page, and leaves nothing behind", async () => {
    await using directory = temporaryDirectory();
    await using kept = temporaryDirectory();
    const [json, page] = [join(kept.path, "results.json"), join(kept.path, "results.md")];
    const only = ["--quick", "--only", "commands/ping", "commands/echo"];
    const { code, stdout, stderr } = await bench(directory, ...only, "--json", json, "--markdown", page);
    expect([code, stderr]).toEqual([0, "... commands/ping\n... commands/echo\n"]);
    expect(stdout).toContain("| `/commands/run echo hi`");
    await expectNothingLeft(directory);

    const report = await reportOf(json);
    expect(report).toMatchObject({ format: "sanderling-bench/1", isQuick: true });
    expect(report.machine.cores).toBeGreaterThan(0);
    expect(report.machine.versions).toMatchObject({ Bun: Bun.version });
    expect(report.subjects.map(({ name }) => name)).toEqual(["commands"]);
    const { measurements, judgements, unit, leftOut } = scenarioOf(report, "commands/echo");
    expect([unit, leftOut, judgements.length]).toEqual(["ms", [], 1]);
    expect(measurements).toMatchObject([{ clients: 1, size: 0, contenders: [{ what: "ours" }, {}] }]);
    for (const contender of measurements[0]?.contenders ?? []) {
      expect(contender.samples).toBe(measurements[0]?.rounds ?? 0);
      expect(contender.p50).toBeWithin(contender.min, contender.max + 1);
      expect(contender.perSecond).toBeGreaterThan(0);
      expect(contender.process?.peakMB).toBeGreaterThan(10);
    }
    expect(measurements[0]?.contenders[1]?.ratio).toBeGreaterThan(0);

    const text = await Bun.file(page).text();
    expect(text).toContain("## Targets");
    expect(text).toContain("`/commands/run echo hi`");
    const again = join(kept.path, "again.md");
    expect((await bench(directory, "--from", json, "--markdown", again)).code).toBe(0);
    expect(await Bun.file(again).text()).toBe(text);
  });

  test("compares with a peer in the same run, with many clients", async () => {
    await using directory = temporaryDirectory();
    await using kept = temporaryDirectory();
    await using peer = await TestDaemon.start();
    const json = join(kept.path, "results.json");
    const only = ["--quick", "--json", json, "--only", "load/execd-command"];
    const { code, stderr } = await bench(
      directory,
      ...only,
      "--peer",
      peer.execdUrl,
      "--peer-token",
      TEST_ACCESS_TOKEN,
    );
    expect([code, stderr]).toEqual([0, "... load/execd-command\n... load/execd-command, 8 clients\n"]);
    await expectNothingLeft(directory);

    const report = await reportOf(json);
    expect(report.peer).toBe(peer.execdUrl);
    const { measurements } = scenarioOf(report, "load/execd-command");
    expect(measurements.map(({ clients }) => clients)).toEqual([1, 8]);
    for (const { contenders } of measurements) {
      expect(contenders.map(({ what }) => what)).toEqual(["ours", "peer", "bare Bun spawn over HTTP"]);
      expect(contenders[1]?.ratio).toBeGreaterThan(0);
      expect(contenders[1]?.throughputRatio).toBeGreaterThan(0);
      expect(contenders[1]?.process).toBeNull();
    }
  });

  test("ends everything it started when it is stopped", async () => {
    await using directory = temporaryDirectory();
    const child = Bun.spawn([...BENCH, "--only", "load/execd-command"], {
      env: { ...process.env, ...environment(directory) },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    let told = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      told += decoder.decode(chunk, { stream: true });
      // With 8 clients daemon and floor are there and at work.
      if (told.includes("8 clients")) child.kill("SIGINT");
    }
    expect(await child.exited).toBe(130);
    expect(told).toEndWith("bench: stopped by SIGINT\n");
    await expectNothingLeft(directory);
  });

  test.each([
    [["--fast"], "there is no option --fast; --help shows those there are"],
    [["fast"], "there is no option fast; --help shows those there are"],
    [["--only"], "--only takes one name or more; --list shows them"],
    [["--only", "load", "lod"], "--only: there is no subject or scenario lod; --list shows them"],
    [["--rounds", "2"], "--rounds takes a whole number of at least 3, not 2"],
    [["--rounds", "many"], "--rounds takes a whole number of at least 3, not many"],
    [["--json"], "--json takes a value"],
    [["--json", "--quick"], "--json takes a value"],
    [["--peer", "localhost"], "--peer takes an address such as http://127.0.0.1:44772, not localhost"],
    [["--peer-token", "x"], "--peer-token is of no use without --peer"],
  ])("refuses %p and says why", async (args, message) => {
    await using directory = temporaryDirectory();
    expect(await bench(directory, ...args)).toEqual({ code: 2, stdout: "", stderr: `bench: ${message}\n` });
  });

  test("says that a peer does not answer before it measures anything", async () => {
    await using directory = temporaryDirectory();
    const { code, stdout, stderr } = await bench(
      directory,
      "--only",
      "execd",
      "--peer",
      "http://127.0.0.1:1",
    );
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toStartWith("bench: the peer at http://127.0.0.1:1 does not answer: ");
  });

  test("lists what there is, and explains itself", async () => {
    await using directory = temporaryDirectory();
    const listed = await bench(directory, "--list");
    expect([listed.code, listed.stderr]).toEqual([0, ""]);
    expect(listed.stdout).toMatch(/^ {2}load\/execd-command +execd `\/command echo hi`$/m);
    const help = await bench(directory, "--help");
    expect(help.stdout).toStartWith("Usage: make bench");
  });
});
