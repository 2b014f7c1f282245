import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { readStat } from "../../../src/engine/process/proc.ts";
import { CLIENT_PYTHON, runProgram } from "../../support/clients.ts";
import { TEST_API_KEY, TestDaemon, type Answer } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

setDefaultTimeout(60_000);

const FOREVER = "exec sleep 600";
/** An hour for what somebody waits for; a test that waits for it fails. */
const PATIENT = { SANDERLING_SHUTDOWN_GRACE_MS: "3600000" };

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ env: { SANDERLING_KILL_GRACE_MS: "300" } });
});
afterAll(() => daemon[Symbol.asyncDispose]());

interface Process extends Answer {
  readonly process_id: string;
  readonly execution_id: string;
  readonly pid: number;
  readonly status: string;
  readonly name: string;
}

async function start(command: string, more: object = {}, on = daemon): Promise<Process> {
  const { status, body } = await on.post("/commands/background", { command, ...more });
  expect([status, body["message"]]).toEqual([200, "Background process started"]);
  return body as Process;
}

async function get<T = Process>(path: string, on = daemon): Promise<T> {
  const response = await on.fetch(path);
  expect([path, response.status]).toEqual([path, 200]);
  return (await response.json()) as T;
}

async function send(method: string, path: string, body?: unknown, on = daemon) {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  const response = await on.fetch(path, init);
  return { status: response.status, body: (await response.json()) as Process };
}

const one = (id: string | number) => get(`/execute/processes/${id}`);
const wait = (id: string, seconds = 30) => get(`/execute/processes/${id}/wait?timeout=${seconds}`);
const isAlive = (pid: number) => !["Z", "X"].includes(readStat(pid)?.state ?? "X");

async function processes(on = daemon): Promise<Process[]> {
  return (await get<{ processes: Process[] }>("/execute/processes", on)).processes;
}

describe("POST /execute/background", () => {
  test("answers at once with the ids and the state as it is", async () => {
    const request = { code: 'import time; print("begun"); time.sleep(600)', name: "sleeper" };
    const { status, body } = await daemon.post("/execute/background", request);
    expect(status).toBe(200);
    expect(body).toMatchObject({ name: "sleeper", status: "running", message: "Background process started" });
    expect(body["process_id"]).toMatch(/^proc_\w+$/);
    expect(body["execution_id"]).toMatch(/^exec_\w+$/);
    expect(Date.parse(String(body["start_time"]))).toBeGreaterThan(0);
    expect(isAlive(body.pid ?? 0)).toBe(true);
    await send("POST", `/execute/kill/${String(body["process_id"])}`);
  });

  test.each([
    ["no code", {}, "Missing required field: code"],
    ["an unknown language", { code: "1", language: "ruby" }, "Invalid language: ruby"],
    [
      "the wish for a kept answer",
      { code: "1", cache: true },
      "cache: runs in the background are never answered from the cache",
    ],
    ["a timeout of zero", { code: "1", timeout: 0 }, "timeout: Too small: expected number to be >=1"],
    [
      "a name that is no text",
      { code: "1", name: 5 },
      "name: Invalid input: expected string, received number",
    ],
  ])("answers 400 for %s", async (_, request, message) => {
    const { status, body } = await daemon.post("/execute/background", request);
    expect([status, body.code, body.error]).toEqual([400, "INVALID_REQUEST", message]);
  });

  test("runs code of every form of request, with variables and directory", async () => {
    for (const place of [{ working_dir: "/tmp" }, { workdir: "/tmp" }]) {
      const request = { code: "echo $A; pwd", language: "bash", env: { A: "b" }, ...place };
      const { body } = await daemon.post("/execute/background", request);
      expect(await wait(String(body["process_id"]))).toMatchObject({ stdout: "b\n/tmp\n", language: "bash" });
    }
  });

  test("stops code when its time is up, and says so", async () => {
    const { body } = await daemon.post("/execute/background", {
      code: "print('begun'); import time; time.sleep(600)",
      timeout: 1,
    });
    expect(await wait(String(body["process_id"]))).toMatchObject({
      status: "failed",
      exit_code: 124,
      stdout: "begun\n",
      end: { cause: "timed_out", description: "timed out after 1 s" },
    });
  });
});

describe("POST /commands/background", () => {
  test("runs a line with /bin/sh -c", async () => {
    const { process_id } = await start("echo $MY_VAR | tr a-z A-Z", { env: { MY_VAR: "hello" } });
    const done = await wait(process_id);
    expect(done).toMatchObject({ status: "completed", exit_code: 0, stdout: "HELLO\n", language: "shell" });
    expect(done.name).toBe("echo $MY_VAR | tr a-z A-Z");
  });

  test("runs a program with arguments, and knows a client library's line by the line", async () => {
    const plain = await start("printf", { args: ["%s|", "a b", "$HOME"] });
    expect(await wait(plain.process_id)).toMatchObject({ stdout: "a b|$HOME|", language: "command" });
    const library = await start("bash", { args: ["-c", "echo {1..3}"], workdir: "/workspace", timeout: 120 });
    expect(await wait(library.process_id)).toMatchObject({
      stdout: "1 2 3\n",
      language: "bash",
      name: "echo {1..3}",
      command: "echo {1..3}",
    });
  });

  test("answers with the failed end of a program that is not there", async () => {
    const { status, body } = await daemon.post("/commands/background", { command: "no-such", args: [] });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: "failed",
      pid: null,
      message: "Background process could not start: no-such: not found",
    });
    expect(await one(String(body["process_id"]))).toMatchObject({
      exit_code: 127,
      end: { cause: "could_not_start" },
    });
  });

  test("answers 400 without a command", async () => {
    const { status, body } = await daemon.post("/commands/background", {});
    expect([status, body.error]).toEqual([400, "Missing required field: command"]);
  });

  test("goes on when the client that started it has gone", async () => {
    const { process_id } = await start("read line; echo $line", { stdin: "still here\n" });
    expect((await wait(process_id)).stdout).toBe("still here\n");
  });
});

describe("GET /execute/processes", () => {
  test("has every field that any client reads, of running and ended ones, and no null where one breaks", async () => {
    const running = await start(`echo out; echo err >&2; ${FOREVER}`, { name: "Running" });
    const ended = await start("exit 3", { name: "Ended" });
    await wait(ended.process_id);
    await until(async () => (await one(running.process_id)).stderr);
    const list = await get<{ processes: Process[]; count: number; timestamp: string }>("/execute/processes");
    expect(list.count).toBe(list.processes.length);
    expect(Date.parse(list.timestamp)).toBeGreaterThan(0);
    const find = (id: string) => list.processes.find(({ process_id }) => process_id === id);
    expect(find(running.process_id)).toMatchObject({
      execution_id: running.execution_id,
      name: "Running",
      status: "running",
      language: "shell",
      command: `echo out; echo err >&2; ${FOREVER}`,
      pid: running.pid,
      completed_at: null,
      end_time: null,
      exit_code: null,
      end: null,
      stdout: "out\n",
      stderr: "err\n",
    });
    const done = find(ended.process_id);
    expect(done).toMatchObject({ name: "Ended", status: "failed", exit_code: 3, end: { cause: "exited" } });
    expect(done?.["end_time"]).toBe(String(done?.["completed_at"]));
    expect(done?.["duration"]).toBe(Number(done?.execution_time));
    for (const process of list.processes) {
      for (const field of ["name", "status", "language", "command", "stdout", "stderr", "stdin"])
        expect([field, typeof process[field]]).toEqual([field, "string"]);
      for (const field of ["duration", "execution_time", "cpu_percent", "memory_percent", "memory_bytes"])
        expect([field, typeof process[field]]).toEqual([field, "number"]);
      expect(process["start_time"]).toBe(String(process["started_at"]));
    }
    await send("POST", `/execute/kill/${running.process_id}`);
  });

  test("tells peak memory and processor time", async () => {
    const { body } = await daemon.post("/execute/background", { code: "sum(i for i in range(10 ** 6))" });
    const done = await wait(String(body["process_id"]));
    expect(done.usage["peak_memory_bytes"]).toBeGreaterThan(2 ** 20);
    expect(done.usage["cpu_seconds"]).toBeGreaterThan(0);
    expect(done["cpu_percent"]).toBeGreaterThan(0);
  });

  test("forgets those that ended by number, by age and by bytes, but never one that runs", async () => {
    const few = { SANDERLING_BACKGROUND_KEEP_COUNT: "2" };
    const old = { SANDERLING_BACKGROUND_KEEP_MS: "1" };
    const thin = { SANDERLING_BACKGROUND_KEEP_BYTES: "150000" };
    const kept = async (env: Record<string, string>) => {
      await using other = await TestDaemon.start({ env: { ...env, ...PATIENT } });
      const running = await start(FOREVER, { name: "running" }, other);
      for (let i = 1; i <= 4; i++) {
        const { process_id } = await start("head -c 60000 /dev/zero", { name: String(i) }, other);
        // Gone already, when nothing is kept.
        await other.fetch(`/execute/processes/${process_id}/wait`).then((response) => response.text());
      }
      await until(
        async () => (await processes(other)).filter(({ status }) => status === "running").length === 1,
      );
      await until(async () => env !== old || (await processes(other)).length === 1);
      expect((await one_(running.process_id, other)).status).toBe("running");
      return (await processes(other)).map(({ name }) => name);
    };
    expect(await kept(few)).toEqual(["4", "3", "running"]);
    expect(await kept(old)).toEqual(["running"]);
    expect(await kept(thin)).toEqual(["4", "3", "running"]);
  });
});

const one_ = (id: string, on: TestDaemon) => get(`/execute/processes/${id}`, on);

describe("killing", () => {
  const FORMS: readonly (readonly [string, (id: string | number) => ReturnType<typeof send>])[] = [
    ["DELETE /execute/kill with a body", (id) => send("DELETE", "/execute/kill", { process_id: id })],
    ["DELETE /execute/kill?process_id=", (id) => send("DELETE", `/execute/kill?process_id=${id}`)],
    ["POST /execute/kill/{id}", (id) => send("POST", `/execute/kill/${id}`)],
    ["POST /execute/kill/{id} with an empty object", (id) => send("POST", `/execute/kill/${id}`, {})],
    ["POST /processes/{id}/kill", (id) => send("POST", `/processes/${id}/kill`)],
  ];
  const NAMES = ["process_id", "execution_id", "run_id", "pid"] as const;

  describe.each(FORMS)("by %s", (_, kill) => {
    test.each(NAMES)("and its %s ends the whole tree", async (name) => {
      const { process_id } = await start("setsid sleep 614 & echo $!; sleep 614", {});
      const { stdout } = await until(async () => {
        const process = await one(process_id);
        return process.stdout === "" ? undefined : process;
      });
      const process = await one(process_id);
      const { status, body } = await kill(process[name]);
      expect(status).toBe(200);
      expect(body).toMatchObject({
        process_id,
        status: "killed",
        message: "Process terminated successfully",
        was_running: true,
      });
      expect((await one(process_id)).status).toBe("killed");
      expect(isAlive(Number(stdout))).toBe(false);
    });

    test("an unknown id gives 404 in the words of the published page", async () => {
      for (const id of ["proc_nobody", "4194304", "99999999999999999999"]) {
        const { status, body } = await kill(id);
        expect([status, body.code, body.error]).toEqual([404, "RESOURCE_NOT_FOUND", "Process not found"]);
      }
    });

    test("one that has ended is told as such", async () => {
      const { process_id } = await start("exit 4");
      await wait(process_id);
      const { status, body } = await kill(process_id);
      expect(status).toBe(200);
      expect(body).toMatchObject({
        status: "failed",
        was_running: false,
        message: "Process had already ended: exited with code 4",
      });
    });
  });

  test("without an id gives 400", async () => {
    const { status, body } = await send("DELETE", "/execute/kill");
    expect([status, body.error]).toEqual([400, "Missing required field: process_id"]);
  });

  test("ends what ignores SIGTERM after the grace", async () => {
    const { process_id } = await start("trap '' TERM; echo set; while :; do sleep 1; done");
    await until(async () => (await one(process_id)).stdout);
    expect((await send("POST", `/execute/kill/${process_id}`)).body.status).toBe("killed");
  });

  test("with a signal sends that one and no other", async () => {
    const { process_id } = await start("trap 'echo usr1' USR1; echo set; while :; do sleep 0.02; done");
    await until(async () => (await one(process_id)).stdout);
    const sent = await send("POST", `/execute/kill/${process_id}`, { signal: "USR1" });
    expect(sent.body).toMatchObject({ status: "running", message: "SIGUSR1 sent", was_running: true });
    await until(async () => (await one(process_id)).stdout.includes("usr1"));
    const killed = await send("DELETE", `/execute/kill?process_id=${process_id}&signal=9`);
    expect(killed.body).toMatchObject({ status: "killed", end: { cause: "signalled", signal: "SIGKILL" } });
  });

  test("with a signal that does not exist gives 400", async () => {
    const { process_id } = await start(FOREVER);
    for (const signal of ["SIGNOTHING", 0, 99]) {
      const { status, body } = await send("POST", `/execute/kill/${process_id}`, { signal });
      expect([status, body.error]).toEqual([400, `signal: No such signal: ${signal}`]);
    }
    await send("POST", `/execute/kill/${process_id}`);
  });

  test("works on a process that a run started, and on the run of another request", async () => {
    const { process_id, pid } = await start("sleep 615 & echo $!; wait; echo over");
    const { stdout } = await until(async () => {
      const process = await one(process_id);
      return process.stdout === "" ? undefined : process;
    });
    const { status, body } = await send("POST", `/processes/${stdout.trim()}/kill`);
    expect([status, body.status, body.pid]).toEqual([200, "killed", Number(stdout)]);
    expect(pid).not.toBe(Number(stdout));
    expect((await wait(process_id)).stdout).toEndWith("over\n");

    const waiting = daemon.post("/commands/run", {
      command: "exec sleep 616",
      args: undefined,
      workdir: ".",
    });
    const system = await until(async () => {
      const { processes } = await get<{ processes: Process[] }>("/processes");
      return processes.find(({ command }) => command === "sleep 616");
    });
    expect((await send("POST", `/execute/kill/${system.pid}`)).body.status).toBe("killed");
    expect((await waiting).body).toMatchObject({ success: false, end: { cause: "cancelled" } });
  });

  test("the daemon and process 1 is refused", async () => {
    for (const pid of [daemon.child.pid, 1]) {
      const { status, body } = await send("POST", `/execute/kill/${pid}`);
      expect([status, body.code]).toEqual([403, "FORBIDDEN"]);
      expect(body.error).toStartWith(`Cannot kill process ${pid}: `);
    }
    expect((await daemon.fetch("/health")).status).toBe(200);
  });

  test.skipIf(process.getuid?.() !== 0)("a process of another user than runs have is refused", async () => {
    await using other = await TestDaemon.start({ env: { SANDERLING_RUN_AS: "nobody" } });
    const bystander = Bun.spawn(["sleep", "617"]);
    const { status, body } = await send("POST", `/execute/kill/${bystander.pid}`, undefined, other);
    expect([status, body.code]).toEqual([403, "FORBIDDEN"]);
    expect(isAlive(bystander.pid)).toBe(true);
    bystander.kill();
    await bystander.exited;
  });

  test.skipIf(process.getuid?.() !== 0)("a process of the user that runs have is not", async () => {
    await using other = await TestDaemon.start({ env: { SANDERLING_RUN_AS: "nobody", ...PATIENT } });
    await chmod(other.directory, 0o755);
    const { process_id } = await start("env -i setsid sleep 620 & echo $!", {}, other);
    const { stdout } = await get(`/execute/processes/${process_id}/wait`, other);
    const { status, body } = await send("POST", `/processes/${stdout.trim()}/kill`, undefined, other);
    expect([status, body.status, isAlive(Number(stdout))]).toEqual([200, "killed", false]);
  });
});

describe("GET /execute/processes/{id}", () => {
  test("finds it by every name, and 404 by none", async () => {
    const started = await start(FOREVER);
    for (const name of ["process_id", "execution_id", "run_id", "pid"])
      expect((await one(String(started[name]))).process_id).toBe(started.process_id);
    await send("POST", `/execute/kill/${started.process_id}`);
    const response = await daemon.fetch("/execute/processes/proc_nobody");
    expect([response.status, await response.json()]).toMatchObject([404, { code: "RESOURCE_NOT_FOUND" }]);
  });
});

interface Slice {
  readonly data: string;
  readonly offset: number;
  readonly next_offset: number;
  readonly dropped_bytes: number;
  readonly total_bytes: number;
  readonly ended: boolean;
  readonly output_open: boolean;
  readonly status: string;
}

describe("GET /execute/processes/{id}/output", () => {
  const output = (id: string, query: string, on = daemon) =>
    get<Slice>(`/execute/processes/${id}/output?${query}`, on);

  test("gives what was printed from an offset on, and where to go on", async () => {
    const { process_id } = await start("printf 0123456789; echo err >&2; read line; printf abc", {
      stdin_open: true,
    });
    await until(async () => (await one(process_id)).stderr);
    expect(await output(process_id, "offset=4&limit=3")).toMatchObject({
      data: "456",
      offset: 4,
      next_offset: 7,
      dropped_bytes: 0,
      ended: false,
    });
    expect(await output(process_id, "offset=10")).toMatchObject({
      data: "",
      next_offset: 10,
      ended: false,
      output_open: true,
      status: "running",
    });
    expect((await output(process_id, "stream=stderr")).data).toBe("err\n");
    await daemon.post(`/execute/processes/${process_id}/stdin`, { data: "\n" });
    await wait(process_id);
    expect(await output(process_id, "offset=10")).toMatchObject({
      data: "abc",
      next_offset: 13,
      total_bytes: 13,
      ended: true,
      output_open: false,
      status: "completed",
    });
  });

  test("never cuts a character in two, and gives bytes as they are in base64", async () => {
    const { process_id } = await start("printf 'aé€😀'; printf '\\377\\360'");
    await wait(process_id);
    let text = "";
    for (let offset = 0; ;) {
      const slice = await output(process_id, `offset=${offset}&limit=5`);
      text += slice.data;
      offset = slice.next_offset;
      if (slice.ended) break;
    }
    expect(text).toBe("aé€😀\ufffd\ufffd");
    const { data } = await output(process_id, "encoding=base64");
    expect(Buffer.from(data, "base64").toString("latin1")).toEndWith("\u00ff\u00f0");
  });

  test("says how much of it is no longer kept", async () => {
    await using small = await TestDaemon.start({
      env: { SANDERLING_JOURNAL_BYTES: "4096", SANDERLING_JOURNAL_MEMORY_BYTES: "1024" },
    });
    const { process_id } = await start("head -c 100000 /dev/zero | tr '\\0' x", {}, small);
    await get(`/execute/processes/${process_id}/wait`, small);
    const slice = await output(process_id, "offset=10", small);
    expect(slice.dropped_bytes).toBe(slice.offset - 10);
    expect(slice.dropped_bytes).toBeGreaterThan(90_000);
    expect([slice.next_offset, slice.data.length]).toEqual([100_000, 100_000 - slice.offset]);
  });

  test("answers 400 for an offset that is not there yet, and for one that is none", async () => {
    const { process_id } = await start("printf abc");
    await wait(process_id);
    for (const [query, message] of [
      ["offset=4", "offset: 4 is beyond the 3 bytes printed so far"],
      ["offset=-1", "offset: Too small: expected number to be >=0"],
      ["stream=both", "stream: Invalid option"],
    ] as const) {
      const { status, body } = await send("GET", `/execute/processes/${process_id}/output?${query}`);
      expect([status, body.error?.slice(0, message.length)]).toEqual([400, message]);
    }
  });

  test("goes on with what an ended process left behind", async () => {
    const { process_id } = await start("rm -f gate; mkfifo gate; (read line < gate; echo late) & echo early");
    await wait(process_id);
    const first = await output(process_id, "");
    expect(first).toMatchObject({ data: "early\n", ended: true, output_open: true });
    await daemon.post("/commands/run", { command: "echo go > gate" });
    const late = await until(async () => {
      const slice = await output(process_id, `offset=${first.next_offset}`);
      return slice.output_open ? undefined : slice;
    });
    expect(late).toMatchObject({ data: "late\n", ended: true });
  });
});

describe("GET /execute/processes/{id}/wait", () => {
  test("answers when it ends, or when the time is up", async () => {
    const { process_id } = await start("read line; exit 7", { stdin_open: true });
    expect(await wait(process_id, 0.05)).toMatchObject({ ended: false, status: "running", exit_code: null });
    const waiting = wait(process_id);
    await daemon.post(`/execute/processes/${process_id}/stdin`, { data: "go\n" });
    expect(await waiting).toMatchObject({ ended: true, status: "failed", exit_code: 7 });
    expect(await wait(process_id, 0)).toMatchObject({ ended: true });
  });

  test("ends with its client", async () => {
    const { process_id } = await start(FOREVER);
    const leave = new AbortController();
    const waiting = daemon.fetch(`/execute/processes/${process_id}/wait?timeout=600`, {
      signal: leave.signal,
    });
    leave.abort();
    expect(await waiting.catch((error: unknown) => (error as Error).name)).toBe("AbortError");
    expect((await one(process_id)).status).toBe("running");
    await send("POST", `/execute/kill/${process_id}`);
  });
});

describe("POST /execute/processes/{id}/stdin", () => {
  const stdin = (id: string, body: object) => daemon.post(`/execute/processes/${id}/stdin`, body);

  test("writes text and bytes, and closes", async () => {
    const { process_id } = await start("cat", { stdin: "first ", stdin_open: true });
    expect((await one(process_id))["stdin"]).toBe("open");
    const { status, body } = await stdin(process_id, { data: "sécond " });
    expect(status).toBe(200);
    expect(body).toMatchObject({ process_id, written_bytes: 8, waiting_bytes: 0, stdin: "open" });
    const last = await stdin(process_id, { data: btoa("\xff"), encoding: "base64", close: true });
    expect(last.body).toMatchObject({ written_bytes: 1, stdin: "closed" });
    expect((await wait(process_id)).stdout).toBe("first sécond \ufffd");
  });

  test("refuses what does not fit, without delay for anybody", async () => {
    const { process_id } = await start(FOREVER, { stdin_open: true });
    const data = "x".repeat(700_000);
    expect((await stdin(process_id, { data })).body["waiting_bytes"]).toBeGreaterThan(600_000);
    const refused = await stdin(process_id, { data });
    expect([refused.status, refused.body.code]).toEqual([429, "RATE_LIMIT_EXCEEDED"]);
    expect((await stdin(process_id, { data: data + data })).status).toBe(413);
    expect((await daemon.post("/commands/run", { command: "echo hi" })).body.stdout).toBe("hi\n");
    await send("POST", `/execute/kill/${process_id}`);
  });

  test("tells that it is not open", async () => {
    const closed = await start(FOREVER);
    const refused = await stdin(closed.process_id, { data: "x" });
    expect([refused.status, refused.body.code]).toEqual([409, "CONFLICT"]);
    expect(refused.body.error).toContain("stdin_open");
    await send("POST", `/execute/kill/${closed.process_id}`);
    expect((await stdin(closed.process_id, { data: "x" })).body.error).toContain("has ended");
    const shut = await start("exec <&-; echo shut; exec sleep 600", { stdin_open: true });
    await until(async () => (await one(shut.process_id)).stdout);
    const broken = await stdin(shut.process_id, { data: "x" });
    expect([broken.status, broken.body.error]).toEqual([
      409,
      "Cannot write to stdin: the program has closed it",
    ]);
    await send("POST", `/execute/kill/${shut.process_id}`);
    expect((await stdin("proc_nobody", { data: "x" })).status).toBe(404);
    const bad = await stdin(shut.process_id, { data: "x" });
    expect(bad.status).toBe(409);
  });

  test("answers 400 for data that is not what it says", async () => {
    const { process_id } = await start("cat", { stdin_open: true });
    const { status, body } = await stdin(process_id, { data: "!!", encoding: "base64" });
    expect([status, body.error]).toEqual([400, "data: not valid base64"]);
    await stdin(process_id, { close: true });
    expect((await wait(process_id)).status).toBe("completed");
  });
});

describe("GET /processes", () => {
  interface System {
    readonly processes: Record<string, unknown>[];
    readonly count: number;
    readonly total: number;
  }
  const system = (query = "") => get<System>(`/processes${query}`);

  test("lists the machine's processes with what clients read", async () => {
    const started = await start("exec sleep 618", { name: "sleeper" });
    const isAsleep = (process: Record<string, unknown>) =>
      process["command"] === "sleep 618" && process["status"] === "sleeping";
    await until(async () => (await system()).processes.some(isAsleep));
    const { processes: all, count, total } = await system();
    expect([count, total]).toEqual([all.length, expect.any(Number) as number]);
    const mine = all.find(({ pid }) => pid === started.pid);
    expect(mine).toMatchObject({
      name: "sleeper",
      command: "sleep 618",
      process_id: started.process_id,
      ppid: daemon.child.pid,
      status: "sleeping",
    });
    const self = all.find(({ pid }) => pid === daemon.child.pid);
    expect(self?.["memory_bytes"]).toBeGreaterThan(2 ** 20);
    expect(self?.["process_id"]).toBe(String(daemon.child.pid));
    expect(self?.["user"]).toBe(String(mine?.["user"]));
    expect(Math.abs(Date.parse(String(mine?.["start_time"])) - Date.now())).toBeLessThan(60_000);
    for (const process of all) {
      for (const field of ["pid", "ppid", "cpu_percent", "memory_percent", "memory_bytes"])
        expect([field, typeof process[field]]).toEqual([field, "number"]);
      for (const field of ["name", "command", "user", "status", "process_id", "start_time", "started_at"])
        expect([field, typeof process[field]]).toEqual([field, "string"]);
    }
    await send("POST", `/execute/kill/${started.process_id}`);
  });

  test.each([
    ["memory", "memory_bytes", -1],
    ["cpu", "cpu_percent", -1],
    ["pid", "pid", 1],
  ] as const)("sorts by %s", async (sort, field, direction) => {
    const { processes: all } = await system(`?sort=${sort}`);
    const values = all.map((process) => Number(process[field]));
    expect(values).toEqual(values.toSorted((a, b) => direction * (a - b)));
  });

  test("sorts by start, the latest first, and gives as many as asked for", async () => {
    const started = await start(FOREVER);
    const { processes: some, count, total } = await system("?sort=start&limit=20");
    expect(count).toBeLessThanOrEqual(20);
    expect(total).toBeGreaterThanOrEqual(count);
    expect(some.map(({ pid }) => pid)).toContain(started.pid);
    await send("POST", `/execute/kill/${started.process_id}`);
    for (const query of ["?sort=age", "?limit=0", "?limit=x"])
      expect((await daemon.fetch(`/processes${query}`)).status).toBe(400);
  });
});

describe("the vendors' libraries, unmodified", () => {
  test.each([
    ["JavaScript", ["node", "test/contract/hopx/clients/javascript-background.mjs"]],
    ["Python", [CLIENT_PYTHON, "test/contract/hopx/clients/python_background.py"]],
  ])("%s starts, lists and kills processes", async (_, argv) => {
    const result = await runProgram([...argv, daemon.url, daemon.sandboxId, TEST_API_KEY]);
    expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/ok\n$/) as string });
  });
});

test("the example does what it says", async () => {
  const env = { SANDERLING_URL: daemon.url, SANDERLING_TOKEN: daemon.token };
  const { code, stdout, stderr } = await runProgram(["sh", "examples/hopx/background.sh"], env);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toBe("4\n4\ncompleted\ngot one\n\ngot two\nbye\n\nkilled\n");
});

describe("when the daemon is stopped", () => {
  test("background processes end with it and do not hold it up", async () => {
    await using other = await TestDaemon.start({ env: PATIENT });
    const { pid } = await start(FOREVER, {}, other);
    expect(await other.stop()).toBe(0);
    expect(isAlive(pid)).toBe(false);
  });

  test("they are asked to end at once, and killed when they do not, while a client waits for its run", async () => {
    await using other = await TestDaemon.start({ env: { ...PATIENT, SANDERLING_KILL_GRACE_MS: "200" } });
    const there = (name: string) => Bun.file(join(other.workspace, name)).exists();
    const polite = `trap 'touch asked; exit 0' TERM; touch ready; while :; do sleep 0.05; done`;
    await start(polite, {}, other);
    const stubborn = await start(`trap '' TERM; touch ready2; while :; do sleep 600; done`, {}, other);
    const waiting = "touch ready3; while [ ! -e go ]; do sleep 0.05; done; echo done";
    const waited = other.post("/commands/run", { command: waiting, timeout: 300 });
    await until(async () => (await Promise.all(["ready", "ready2", "ready3"].map(there))).every(Boolean));
    const stopped = other.stop();
    await until(() => there("asked"));
    await until(() => !isAlive(stubborn.pid));
    await Bun.write(join(other.workspace, "go"), "");
    expect((await waited).body).toMatchObject({ success: true, stdout: "done\n" });
    expect(await stopped).toBe(0);
  });
});
