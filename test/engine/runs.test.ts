import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import type { EngineOptions } from "../../src/engine/engine.ts";
import { childDirectories, findHierarchies } from "../../src/engine/process/cgroup-files.ts";
import type { RunLimits } from "../../src/engine/process/containment.ts";
import { readStat } from "../../src/engine/process/proc.ts";
import type { ProcessRun } from "../../src/engine/process/process-run.ts";
import { exitCode, signalNumber, type RunEvent } from "../../src/engine/run.ts";
import {
  endOf,
  openEngine,
  outcome,
  printed,
  ready,
  refusal,
  said,
  until,
  untilChildrenAre,
} from "../support/engine.ts";

// A loaded machine is slow, not wrong; whoever hangs is told by `until` or by this.
setDefaultTimeout(60_000);

const MIB = 1024 * 1024;
/** Longer than any test waits: whatever takes this long did not end by itself. */
const NEVER_MS = 600_000;
/** Signals whose default is to be ignored, to stop or to go on; all others below 32 end a process. */
const IGNORED = ["SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH"] as const;
const STOPPING = ["SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"] as const;

const DEADLY = Array.from({ length: 31 }, (_, index) => index + 1).filter(
  (number) => ![...IGNORED, ...STOPPING].some((name) => constants.signals[name] === number),
);

async function collect(run: ProcessRun): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of run.events()) events.push(event);
  return events;
}

function descriptors(): Promise<number> {
  return readdir("/proc/self/fd").then((names) => names.length);
}

/** Cgroups that an engine of this process has made and not removed. */
function cgroups(): string[] {
  return findHierarchies()
    .flatMap(({ own }) => childDirectories(own))
    .filter((path) => path.endsWith(`/sanderling-${process.pid}`));
}

describe.each(["auto", "process_group"] as const)("with containment %s", (containment) => {
  const open = (overrides: Partial<EngineOptions> = {}) => openEngine({ containment, ...overrides });

  /** The end of a run under a limit; undefined where the machine refuses the limit, as it should then. */
  async function underLimit(
    lab: Awaited<ReturnType<typeof open>>,
    kind: "memory" | "cpus" | "processes",
    start: () => Promise<ProcessRun>,
  ) {
    if (lab.engine.containment.enforces[kind]) return await outcome(start());
    const error = await refusal(start());
    expect(error.code).toBe("unsupported");
    expect(error.message).toContain("sanderling doctor");
    return undefined;
  }

  describe("a run", () => {
    test("ends with its exit code and has all it printed", async () => {
      await using lab = await open();
      const done = await outcome(lab.sh("echo out; echo err >&2; exit 3"));
      expect(done.end).toEqual({ cause: "exited", code: 3 });
      expect([done.stdout, done.stderr]).toEqual(["out\n", "err\n"]);
      expect(done.totals).toEqual({ stdout: 4, stderr: 4 });
      expect(exitCode(done.end)).toBe(3);
    });

    test("tells its start, its output in order and its end, once each", async () => {
      await using lab = await open();
      await using run = await lab.sh("echo a; exit 1");
      const events = await collect(run);
      expect(events.map(({ type }) => type)).toEqual(["started", "output", "ended"]);
      expect(events[0]).toEqual({ type: "started", id: run.id, pid: run.pid ?? 0 });
      expect(events.at(-1)).toMatchObject({ end: { cause: "exited", code: 1 } });
      expect(await collect(run)).toEqual(events);
    });

    test("tells output while it runs", async () => {
      await using lab = await open();
      await using run = await lab.program("ignores-sigterm.sh");
      for await (const event of run.events()) {
        if (event.type !== "output") continue;
        expect(Buffer.from(event.bytes).toString()).toStartWith("READY ");
        break;
      }
      expect(run.hasEnded).toBe(false);
    });

    test("tells what it used", async () => {
      await using lab = await open();
      const { usage, durationMs } = await outcome(
        lab.sh("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"),
      );
      expect(usage.cpuSeconds).toBeGreaterThan(0.01);
      expect(usage.peakMemoryBytes).toBeGreaterThan(50_000);
      expect(usage.oomKills).toBe(0);
      expect(durationMs).toBeGreaterThan(10);
      const counts = lab.engine.containment.enforces.processes;
      // The thread that starts a version 1 run is counted with it for a moment: 2 for a true 1.
      if (counts) expect([1, 2]).toContain(usage.peakProcesses ?? 0);
      else expect(usage.peakProcesses).toBeNull();
    });

    test("keeps bytes that are no text, and characters written in two pieces", async () => {
      await using lab = await open();
      await outcome(lab.sh("mkfifo go"));
      await using run = await lab.program("splits-characters.sh");
      await said(run, /READY/, "stderr");
      await until(() => run.journal.totals.stdout === 2);
      await outcome(lab.sh("echo go > go"));
      await run.outcome;
      expect([...(await printed(run))]).toEqual([0xe2, 0x82, 0xac, 0xff, 0xc3]);
    });

    test("goes on when it closes its stdout", async () => {
      await using lab = await open();
      const done = await outcome(lab.program("closes-stdout.sh"));
      expect(done).toMatchObject({
        end: { cause: "exited", code: 7 },
        stdout: "before\n",
        stderr: "after\n",
      });
    });

    test("can open /dev/stdout and /dev/stderr", async () => {
      await using lab = await open();
      const done = await outcome(lab.sh("echo out > /dev/stdout; echo err > /dev/stderr"));
      expect(done).toMatchObject({ end: { cause: "exited", code: 0 }, stdout: "out\n", stderr: "err\n" });
    });

    test("works in the directory asked for, also relative to the workspace", async () => {
      await using lab = await open();
      await mkdir(join(lab.workspace, "below"));
      expect((await outcome(lab.sh("pwd -P"))).stdout).toBe(`${lab.workspace}\n`);
      expect((await outcome(lab.sh("pwd -P", { cwd: "below" }))).stdout).toBe(`${lab.workspace}/below\n`);
      expect((await outcome(lab.sh("pwd -P", { cwd: "/" }))).stdout).toBe("/\n");
    });

    test("has the variables asked for above the engine's own", async () => {
      await using lab = await open();
      const done = await outcome(
        lab.sh('printf "%s|" "$A" "$HOME" "$with_dots"', { env: { A: "1 2'\"\n", HOME: "/x" } }),
      );
      expect(done.stdout).toBe("1 2'\"\n|/x||");
    });

    test("does not see descriptors of the daemon", async () => {
      await using lab = await open();
      const text = "for fd in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$fd ] && echo $fd; done; true";
      expect((await outcome(lab.sh(text))).stdout).toBe("");
      // A limited run may have waited at a gate for its limits; that is closed by now.
      if (!lab.engine.containment.enforces.processes) return;
      expect((await outcome(lab.sh(text, { limits: { processes: 8 } }))).stdout).toBe("");
    });
  });

  describe("stdin", () => {
    test("is given as UTF-8 and then ends", async () => {
      await using lab = await open();
      expect((await outcome(lab.sh("cat; echo END", { stdin: "héllo €" }))).stdout).toBe("héllo €END\n");
      expect((await outcome(lab.sh("cat; echo END", { stdin: "" }))).stdout).toBe("END\n");
    });

    test("may be larger than a pipe", async () => {
      await using lab = await open();
      expect((await outcome(lab.sh("wc -c", { stdin: "x".repeat(3 * MIB) }))).stdout.trim()).toBe(
        `${3 * MIB}`,
      );
    });

    test("may be left unread, however large", async () => {
      await using lab = await open();
      expect(await endOf(lab.sh("exit 3", { stdin: "x".repeat(3 * MIB) }))).toEqual({
        cause: "exited",
        code: 3,
      });
    });

    test("is /dev/null when none is given", async () => {
      await using lab = await open();
      expect((await outcome(lab.sh("readlink /proc/self/fd/0; cat"))).stdout).toBe("/dev/null\n");
    });
  });

  describe("what a run leaves behind", () => {
    test("does not delay the answer", async () => {
      await using lab = await open();
      const started = performance.now();
      await using run = await lab.sh("sleep 60 & echo hi");
      expect((await run.outcome).end).toEqual({ cause: "exited", code: 0 });
      expect(performance.now() - started).toBeLessThan(30_000);
      expect(Buffer.from(await printed(run)).toString()).toBe("hi\n");
      expect(run.hasSurvivors).toBe(true);
    });

    test("still prints into the journal, after the totals of the run", async () => {
      await using lab = await open();
      await using run = await lab.program("holds-stdout.sh");
      const { totals } = await run.outcome;
      await writeFile(join(lab.workspace, "go"), "");
      await said(run, /^later$/m);
      await run.outputClosed();
      expect(run.hasSurvivors).toBe(false);
      expect(run.journal.totals.stdout).toBe(totals.stdout + "later\n".length);
    });

    test("is told by events up to the end of the run and no further, even if it writes for ever", async () => {
      await using lab = await open();
      await using run = await lab.program("leaves-writer.sh");
      const events = await collect(run);
      const { totals } = await run.outcome;
      const told = { stdout: 0, stderr: 0 };
      for (const event of events) {
        if (event.type === "output") told[event.stream] = event.offset + event.bytes.byteLength;
        if (event.type === "dropped") told[event.stream] = event.offset + event.length;
      }
      expect(told).toEqual(totals);
      expect(events.at(-1)?.type).toBe("ended");
      expect(run.hasSurvivors).toBe(true);
    });

    test("loses nothing that the first process wrote just before its end", async () => {
      await using lab = await open();
      for (let round = 0; round < 20; round++) {
        await using run = await lab.sh("sleep 60 & head -c 300000 /dev/zero; echo err >&2");
        expect((await run.outcome).totals).toEqual({ stdout: 300_000, stderr: 4 });
        await run.destroy();
      }
    });

    test("is ended with the engine, also a daemon in a session of its own without the run's pipes", async () => {
      const daemons: { isAlive: () => boolean }[] = [];
      {
        await using lab = await open();
        await using run = await lab.program("leaves-daemon.sh", { args: ["pid"] });
        await run.outcome;
        daemons.push(await ready(run));
        expect(daemons.map((daemon) => daemon.isAlive())).toEqual([true]);
      }
      expect(daemons.map((daemon) => daemon.isAlive())).toEqual([false]);
    });
  });

  describe("a timeout", () => {
    test("ends the run and says after how long", async () => {
      await using lab = await open();
      const done = await outcome(lab.sh("echo begun; exec sleep 600", { timeoutMs: 400 }));
      expect(done.end).toEqual({ cause: "timed_out", afterMs: 400 });
      expect(done.stdout).toBe("begun\n");
      expect(done.durationMs).toBeGreaterThanOrEqual(399);
      expect(exitCode(done.end)).toBe(124);
    });

    test("of weeks is a timeout of weeks", async () => {
      await using lab = await open();
      expect(await endOf(lab.sh("sleep 0.1; exit 5", { timeoutMs: 2 ** 31 + 1 }))).toEqual({
        cause: "exited",
        code: 5,
      });
    });

    test("that has not passed does not keep the run", async () => {
      await using lab = await open();
      const { durationMs, end } = await outcome(lab.sh("exit 0", { timeoutMs: NEVER_MS }));
      expect(end.cause).toBe("exited");
      expect(durationMs).toBeLessThan(30_000);
    });

    test.each(["ignores-sigterm.sh", "new-session.sh", "double-fork.sh", "stops-itself.sh"])(
      "ends the whole tree of %s",
      async (name) => {
        await using lab = await open();
        await using run = await lab.program(name, { timeoutMs: 1500 });
        const { isAlive } = await ready(run);
        const { end } = await run.outcome;
        expect(end).toEqual({ cause: "timed_out", afterMs: 1500 });
        expect(isAlive()).toBe(false);
        await run.outputClosed();
      },
    );

    test("ends a program that writes for ever, and its output stays readable", async () => {
      await using lab = await open({ journalMemoryBytes: 64 * 1024, journalBytes: 4 * MIB });
      await using run = await lab.program("writes-forever.sh", { timeoutMs: 300 });
      const { end, totals } = await run.outcome;
      expect(end.cause).toBe("timed_out");
      const newest = Buffer.from(await printed(run, "stdout", totals.stdout));
      expect(newest.byteLength).toBeGreaterThan(Math.min(totals.stdout, 4 * MIB) - 1);
      expect(newest.includes("0123456789abcdef\n0123456789abcdef\n")).toBe(true);
    });
  });

  describe("cancelling", () => {
    test("kills what ignores SIGTERM, but only after the grace", async () => {
      await using lab = await open({ killGraceMs: 500 });
      await using run = await lab.program("ignores-sigterm.sh");
      const { isAlive } = await ready(run);
      const asked = performance.now();
      const { end } = await run.cancel("requested");
      expect(end).toEqual({ cause: "cancelled", reason: "requested" });
      expect(performance.now() - asked).toBeGreaterThanOrEqual(499);
      expect(isAlive()).toBe(false);
    });

    test("lets a program that heeds SIGTERM clean up and print", async () => {
      await using lab = await open({ killGraceMs: 30_000 });
      await using run = await lab.program("heeds-sigterm.sh");
      await ready(run);
      const { end, durationMs } = await run.cancel("client_gone");
      expect(end).toEqual({ cause: "cancelled", reason: "client_gone" });
      expect(Buffer.from(await printed(run)).toString()).toEndWith("goodbye\n");
      expect(durationMs).toBeLessThan(30_000);
    });

    test("gives children the rest of the grace where the kernel tells when they are gone", async () => {
      await using lab = await open({ killGraceMs: 30_000 });
      await using run = await lab.program("graceful-child.sh");
      const { pid, isAlive } = await ready(run);
      await untilChildrenAre("sleep", pid);
      await run.cancel("requested");
      expect(isAlive()).toBe(false);
      const text = Buffer.from(await printed(run)).toString();
      if (lab.engine.containment.detail.includes("cgroup v2")) expect(text).toEndWith("cleaned\n");
      expect(run.hasSurvivors).toBe(false);
    });

    test("tells the first reason when several are given", async () => {
      await using lab = await open();
      await using run = await lab.program("ignores-sigterm.sh");
      await ready(run);
      const [first, second] = await Promise.all([run.cancel("client_gone"), run.cancel("requested")]);
      expect(first).toBe(second);
      expect(first.end).toEqual({ cause: "cancelled", reason: "client_gone" });
    });

    test("after the end changes nothing", async () => {
      await using lab = await open();
      await using run = await lab.sh("exit 4");
      await run.outcome;
      expect((await run.cancel("requested")).end).toEqual({ cause: "exited", code: 4 });
      expect(run.signal("SIGTERM")).toBe(false);
    });
  });

  describe("signals", () => {
    test.each(DEADLY)("signal %d is told by name", async (number) => {
      await using lab = await open();
      const { end, stdout } = await outcome(lab.program("kills-itself.sh", { args: [String(number)] }));
      expect(end.cause).toBe("signalled");
      if (end.cause === "signalled") expect(signalNumber(end.signal)).toBe(number);
      expect(exitCode(end)).toBe(128 + number);
      expect(stdout).toBe("");
    });

    test.each(IGNORED)("%s leaves a program that does not ask for it alone", async (name) => {
      await using lab = await open();
      const number = String(constants.signals[name]);
      const done = await outcome(lab.program("kills-itself.sh", { args: [number] }));
      expect(done).toMatchObject({ end: { cause: "exited", code: 0 }, stdout: "alive\n" });
    });

    test("a real-time signal is told as bash names it", async () => {
      await using lab = await open();
      const end = await endOf(lab.program("kills-itself.sh", { args: ["40"] }));
      expect(end).toMatchObject({ cause: "signalled", signal: "SIGRTMIN+6" });
      expect(exitCode(end)).toBe(128 + 40);
    });

    test("may be sent to a run, and reach all of it", async () => {
      await using lab = await open();
      await using run = await lab.program("new-session.sh");
      const child = await ready(run);
      expect(run.signal("SIGUSR1")).toBe(true);
      expect((await run.outcome).end).toEqual({ cause: "signalled", signal: "SIGUSR1" });
      await until(() => !child.isAlive());
    });
  });

  describe("limits", () => {
    const limited = (limits: RunLimits, timeoutMs = 20_000) => ({ limits, timeoutMs });

    test("on memory end the run, and say so", async () => {
      await using lab = await open();
      const limits = { memoryBytes: 32 * MIB };
      const done = await underLimit(lab, "memory", () => lab.program("eats-memory.sh", limited(limits)));
      if (done === undefined) return;
      expect(done.end).toEqual({ cause: "out_of_memory", limitBytes: 32 * MIB });
      expect(done.usage.oomKills).toBeGreaterThan(0);
      expect(done.usage.peakMemoryBytes).toBeLessThanOrEqual(33 * MIB);
      expect(exitCode(done.end)).toBe(137);
    });

    test("on memory count the whole tree, and leave nothing of it", async () => {
      await using lab = await open();
      const text = `sleep 600 & echo "READY $!"; tail /dev/zero; exit $?`;
      const request = limited({ memoryBytes: 32 * MIB });
      if (!lab.engine.containment.enforces.memory) return;
      await using run = await lab.sh(text, request);
      const { isAlive } = await ready(run);
      expect((await run.outcome).end.cause).toBe("out_of_memory");
      expect(isAlive()).toBe(false);
    });

    test("on memory leave alone what stays below them", async () => {
      await using lab = await open();
      const done = await underLimit(lab, "memory", () =>
        lab.sh("echo ok", limited({ memoryBytes: 32 * MIB })),
      );
      if (done) expect(done).toMatchObject({ end: { cause: "exited", code: 0 }, stdout: "ok\n" });
    });

    test("on memory too small for any program are a run out of memory or a refusal, never ignored", async () => {
      await using lab = await open();
      if (!lab.engine.containment.enforces.memory) return;
      const end = await endOf(lab.sh("sleep 600", limited({ memoryBytes: 4096 }))).catch(
        (error: unknown) => error,
      );
      if (end instanceof Error) expect(end).toMatchObject({ code: "invalid" });
      else expect(end).toEqual({ cause: "out_of_memory", limitBytes: 4096 });
    });

    test("on processes stop a fork bomb", async () => {
      await using lab = await open();
      const request = limited({ processes: 24 }, 1000);
      const done = await underLimit(lab, "processes", () => lab.program("fork-bomb.sh", request));
      if (done === undefined) return;
      expect(done.usage.peakProcesses).toBeGreaterThan(2);
      expect(done.usage.peakProcesses).toBeLessThanOrEqual(24);
      expect(done.stderr.toLowerCase()).toContain("fork");
    });

    test("on processors slow the run down", async () => {
      await using lab = await open();
      const burn = "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done";
      const done = await underLimit(lab, "cpus", () => lab.sh(burn, limited({ cpus: 0.2 })));
      if (done === undefined) return;
      expect(done.end).toEqual({ cause: "exited", code: 0 });
      // A fifth of a processor: at least three times as long as the time it had, give or take a period.
      expect(done.durationMs).toBeGreaterThan(3000 * (done.usage.cpuSeconds ?? Number.NaN) - 100);
    });

    test("on open files are those of every process", async () => {
      await using lab = await open();
      const { stdout } = await outcome(lab.sh("ulimit -n; ulimit -Hn", limited({ openFiles: 33 })));
      expect(stdout).toBe("33\n33\n");
    });

    test("on open files do not hide that a program is missing", async () => {
      await using lab = await open();
      const run = lab.engine.startCommand({ argv: ["no-such-program"], limits: { openFiles: 33 } });
      expect(await endOf(run)).toMatchObject({ cause: "could_not_start", reason: "program_not_found" });
    });

    test("on output stop the run at exactly that many bytes", async () => {
      await using lab = await open();
      const done = await outcome(lab.program("writes-forever.sh", limited({ outputBytes: 1000 })));
      expect(done.end).toEqual({ cause: "cancelled", reason: "output_limit" });
      expect(done.totals).toEqual({ stdout: 1000, stderr: 0 });
    });

    test("on output count both streams, and are not exceeded by reaching them", async () => {
      await using lab = await open();
      const text = "printf 12345; printf 67890 >&2";
      expect(await endOf(lab.sh(text, limited({ outputBytes: 10 })))).toEqual({ cause: "exited", code: 0 });
      const done = await outcome(lab.sh(text, limited({ outputBytes: 9 })));
      expect(done.end).toEqual({ cause: "cancelled", reason: "output_limit" });
      expect(done.totals.stdout + done.totals.stderr).toBe(9);
    });

    test("on output end the whole tree, also when the first process has just ended by itself", async () => {
      await using lab = await open({ killGraceMs: 50 });
      for (let round = 0; round < 10; round++) {
        const text = "(trap '' TERM; exec sleep 600) & echo $! > pid; head -c 5000 /dev/zero";
        const done = await outcome(lab.sh(text, limited({ outputBytes: 1000 })));
        expect(done.end).toEqual({ cause: "cancelled", reason: "output_limit" });
        const pid = Number(await readFile(join(lab.workspace, "pid"), "utf8"));
        expect(["gone", "Z", "X"]).toContain(readStat(pid)?.state ?? "gone");
      }
    });

    test("that the kernel does not take are refused and leave nothing running", async () => {
      await using lab = await open();
      for (const limits of [{ memoryBytes: -5 }, { processes: -5 }, { cpus: 1e15 }] as RunLimits[]) {
        const error = await refusal(lab.sh("sleep 600", { limits }).then((run) => run.outcome));
        expect(["invalid", "unsupported"]).toContain(error.code);
      }
      expect(lab.engine.runs.active).toBe(0);
    });
  });

  describe("what cannot be started", () => {
    test("is a missing program", async () => {
      await using lab = await open();
      const end = await endOf(lab.engine.startCommand({ argv: ["no-such-program"] }));
      expect(end).toMatchObject({ cause: "could_not_start", reason: "program_not_found" });
      expect(exitCode(end)).toBe(127);
    });

    test("is a program whose interpreter is missing", async () => {
      await using lab = await open();
      const path = join(lab.workspace, "script");
      await writeFile(path, "#!/no/such/interpreter\n", { mode: 0o755 });
      const end = await endOf(lab.engine.startCommand({ argv: [path] }));
      expect(end).toMatchObject({ cause: "could_not_start", reason: "program_not_found" });
      if (end.cause === "could_not_start") expect(end.message).toContain("interpreter");
    });

    test("is a file without the right to be executed, or that is no program", async () => {
      await using lab = await open();
      const path = join(lab.workspace, "file");
      await writeFile(path, "\u0001\u0002\u0003\u0000", { mode: 0o644 });
      const end = await endOf(lab.engine.startCommand({ argv: [path] }));
      expect(end).toMatchObject({ cause: "could_not_start", reason: "not_executable" });
      expect(exitCode(end)).toBe(126);
      await chmod(path, 0o755);
      expect(await endOf(lab.engine.startCommand({ argv: [path] }))).toMatchObject({
        cause: "could_not_start",
        reason: "not_executable",
      });
      expect(await endOf(lab.engine.startCommand({ argv: [lab.workspace] }))).toMatchObject({
        cause: "could_not_start",
        reason: "not_executable",
      });
    });

    test("is a command line longer than the kernel takes", async () => {
      await using lab = await open();
      const end = await endOf(lab.engine.startCommand({ argv: ["/bin/echo", "x".repeat(4 * MIB)] }));
      expect(end).toMatchObject({ cause: "could_not_start", reason: "other" });
    });

    test("has nothing printed and nothing used", async () => {
      await using lab = await open();
      await using run = await lab.engine.startCommand({ argv: ["no-such-program"] });
      expect(run.pid).toBeUndefined();
      expect(run.hasEnded).toBe(true);
      const { usage, totals } = await run.outcome;
      expect(usage).toEqual({ peakMemoryBytes: null, cpuSeconds: null, peakProcesses: null, oomKills: 0 });
      expect(totals).toEqual({ stdout: 0, stderr: 0 });
      expect((await collect(run)).map(({ type }) => type)).toEqual(["ended"]);
    });
  });

  describe("a request is refused", () => {
    test("when its directory is not there or is none", async () => {
      await using lab = await open();
      await writeFile(join(lab.workspace, "file"), "");
      for (const cwd of ["missing", "file", "/no/such/place", "nul\0byte"])
        expect((await refusal(lab.sh("true", { cwd }))).code).toBe("invalid");
    });

    test("when a variable could never reach a process, without telling its value", async () => {
      await using lab = await open();
      for (const env of [{ "A=B": "secret" }, { "": "secret" }, { "A\0": "secret" }, { A: "secret\0" }]) {
        const error = await refusal(lab.sh("true", { env }));
        expect(error.code).toBe("invalid");
        expect(error.message).not.toContain("secret");
      }
    });

    test("when an argument has a NUL byte", async () => {
      await using lab = await open();
      expect((await refusal(lab.engine.startCommand({ argv: ["echo", "a\0b"] }))).code).toBe("invalid");
    });

    test("when too many are under way, until one has ended", async () => {
      await using lab = await open({ maxRuns: 2 });
      const first = await lab.program("ignores-sigterm.sh");
      await using second = await lab.program("ignores-sigterm.sh");
      expect(lab.engine.runs.active).toBe(2);
      expect((await refusal(lab.sh("true"))).code).toBe("busy");
      await first.cancel("requested");
      expect(await endOf(lab.sh("true"))).toEqual({ cause: "exited", code: 0 });
      expect(second.hasEnded).toBe(false);
      expect(lab.engine.runs.total).toBe(3);
    });

    test("but what earlier runs left behind does not count as under way", async () => {
      await using lab = await open({ maxRuns: 1 });
      for (let i = 0; i < 3; i++) expect((await endOf(lab.sh("sleep 60 &"))).cause).toBe("exited");
      expect(lab.engine.runs.active).toBe(0);
    });
  });

  describe("many runs", () => {
    test("200 at once have each their own output", async () => {
      await using lab = await open();
      const runs = Array.from({ length: 200 }, (_, i) =>
        outcome(lab.sh(`echo out ${i}; echo err ${i} >&2; exit $((${i} % 256))`)),
      );
      for (const [i, done] of (await Promise.all(runs)).entries()) {
        expect(done.end).toEqual({ cause: "exited", code: i % 256 });
        expect([done.stdout, done.stderr]).toEqual([`out ${i}\n`, `err ${i}\n`]);
      }
    });

    test("leave no descriptor, no file and no cgroup", async () => {
      await using lab = await open({ journalMemoryBytes: 1024 });
      const one = async () => {
        await outcome(lab.sh("head -c 100000 /dev/zero", { stdin: "x" }));
        await outcome(lab.sh("sleep 600", { timeoutMs: 1 }));
        await outcome(lab.code("bash", "echo hi"));
        await outcome(lab.engine.startCommand({ argv: ["no-such-program"] }));
      };
      for (let i = 0; i < 5; i++) await one();
      const before = await descriptors();
      for (let i = 0; i < 25; i++) await one();
      // A leak would leave one of each round; the engine's own files are opened when they are first needed.
      await until(async () => (await descriptors()) < before + 10);
      expect(await readdir(join(lab.dataDirectory, "private", "journals"))).toEqual([]);
      const [scratch = ""] = await readdir(lab.temporary);
      await until(async () => (await readdir(join(lab.temporary, scratch))).join() === "runtimes");
      await until(() => cgroups().flatMap(childDirectories).length <= 8 * cgroups().length);
    });
  });

  describe("the end of an engine", () => {
    test("ends what runs and removes all that it made", async () => {
      const alive: (() => boolean)[] = [];
      const runs: ProcessRun[] = [];
      {
        await using lab = await open();
        for (const name of ["ignores-sigterm.sh", "new-session.sh", "double-fork.sh", "writes-forever.sh"])
          runs.push(await lab.program(name));
        runs.push(await lab.code("bash", "echo READY $$; exec sleep 600"));
        for (const run of runs.filter((_, i) => i !== 3)) alive.push((await ready(run)).isAlive);
        await lab.engine[Symbol.asyncDispose]();
        expect(await readdir(lab.temporary)).toEqual([]);
      }
      for (const run of runs) expect((await run.outcome).end.cause).toBe("cancelled");
      expect(alive.map((isAlive) => isAlive())).toEqual([false, false, false, false]);
      expect(cgroups()).toEqual([]);
    });

    test("leaves no files when it comes while a program is being written", async () => {
      await using lab = await open();
      const starting = Array.from({ length: 20 }, (_, i) =>
        lab.code("bash", `echo ${i}`).catch((error: unknown) => error),
      );
      await lab.engine[Symbol.asyncDispose]();
      await Promise.all(starting);
      expect(await readdir(lab.temporary)).toEqual([]);
    });

    test("refuses new runs", async () => {
      await using lab = await open();
      await lab.engine[Symbol.asyncDispose]();
      expect((await refusal(lab.sh("true"))).code).toBe("unavailable");
    });

    test("removes its signal handler and its descriptors", async () => {
      const once = async () => {
        await using lab = await open();
        await outcome(lab.sh("echo hi"));
      };
      await once();
      const [before, listeners] = [await descriptors(), process.listenerCount("SIGCHLD")];
      for (let i = 0; i < 5; i++) await once();
      await until(async () => (await descriptors()) <= before);
      expect(process.listenerCount("SIGCHLD")).toBe(listeners);
    });
  });

  describe("draining", () => {
    test("gives what runs its time and refuses new runs at once", async () => {
      await using lab = await open();
      await using run = await lab.program("heeds-sigterm.sh");
      await ready(run);
      const drained = lab.engine.runs.drain(NEVER_MS, new AbortController().signal);
      expect((await refusal(lab.sh("true"))).code).toBe("unavailable");
      expect(run.hasEnded).toBe(false);
      run.signal("SIGTERM");
      await drained;
      expect((await run.outcome).end).toEqual({ cause: "exited", code: 0 });
    });

    test("cancels what is still there after the grace", async () => {
      await using lab = await open();
      await using run = await lab.program("heeds-sigterm.sh");
      await ready(run);
      await lab.engine.runs.drain(100, new AbortController().signal);
      expect((await run.outcome).end).toEqual({ cause: "cancelled", reason: "shutdown" });
    });

    test("is cut short by a second signal", async () => {
      await using lab = await open();
      await using run = await lab.program("ignores-sigterm.sh");
      await ready(run);
      const hurry = new AbortController();
      const drained = lab.engine.runs.drain(NEVER_MS, hurry.signal);
      hurry.abort();
      await drained;
      expect((await run.outcome).end).toEqual({ cause: "cancelled", reason: "shutdown" });
    });

    test("is over at once when nothing runs", async () => {
      await using lab = await open();
      await lab.engine.runs.drain(NEVER_MS, new AbortController().signal);
      expect(lab.engine.runs.active).toBe(0);
    });
  });
});

describe("an engine that cannot be made", () => {
  test.each([
    ["its user does not exist", { runAs: "no-such-user" }, "invalid"],
    ["its workspace is a file", { workspace: "/dev/null", dataDirectory: "/dev/null" }, "unavailable"],
    ["its data directory is below a file", { dataDirectory: "/dev/null/data" }, "unavailable"],
  ] as const)("because %s leaves no files", async (_, overrides, code) => {
    // That it left none is the fixture's own check.
    expect((await refusal(openEngine(overrides))).code).toBe(code);
  });
});

test("the data directory is open to other users, but for its private part", async () => {
  await using lab = await openEngine();
  const dataDirectory = join(lab.temporary, "data");
  await using other = await openEngine({ dataDirectory });
  const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
  expect(await mode(dataDirectory)).toBe("755");
  expect(await mode(join(dataDirectory, "private"))).toBe("700");
  expect(other.dataDirectory).not.toBe(dataDirectory);
});

afterAll(() => expect(cgroups()).toEqual([]));
