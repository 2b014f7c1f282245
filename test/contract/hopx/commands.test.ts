import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

describe("POST /commands/run in the published form", () => {
  test("runs the command with /bin/sh -c and answers its output", async () => {
    const { status, body } = await daemon.post("/commands/run", {
      command: "echo $MY_VAR | tr a-z A-Z",
      env: { MY_VAR: "hello" },
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ success: true, stdout: "HELLO\n", stderr: "", exit_code: 0 });
  });

  test("answers 500 with the result when the command fails", async () => {
    const { status, body } = await daemon.post("/commands/run", { command: "ls /nonexistent" });
    expect(status).toBe(500);
    expect(body).toMatchObject({ stdout: "", exit_code: 2 });
    expect(body.stderr).toContain("No such file or directory\n");
  });

  test("answers 408 when the time is up", async () => {
    const { status, body } = await daemon.post("/commands/run", { command: "sleep 60", timeout: 1 });
    expect([status, body.code, body.error]).toEqual([
      408,
      "EXECUTION_TIMEOUT",
      "Command timeout after 1 second",
    ]);
  });

  test("answers 400 without a command", async () => {
    const { status, body } = await daemon.post("/commands/run", { working_dir: "/workspace" });
    expect([status, body.error]).toEqual([400, "Missing required field: command"]);
  });

  test("answers as soon as the command has ended, though a child of it holds its output open", async () => {
    const { body } = await daemon.post("/commands/run", { command: "sleep 600 & echo hi", timeout: 20 });
    expect(body).toMatchObject({ success: true, stdout: "hi\n", end: { cause: "exited" } });
  });
});

describe("POST /commands/run in the client-library form", () => {
  test("with args the command is the program and no shell is involved", async () => {
    const { status, body } = await daemon.post("/commands/run", {
      command: "printf",
      args: ["%s|", "a b", "$HOME", "*"],
    });
    expect([status, body.stdout]).toEqual([200, "a b|$HOME|*|"]);
  });

  test("answers 200 with the exit code when the command fails", async () => {
    const { status, body } = await daemon.post("/commands/run", {
      command: "bash",
      args: ["-c", "exit 3"],
      workdir: "/workspace",
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ success: false, exit_code: 3 });
  });

  test("answers 200 with exit code 127 for a program that is not there", async () => {
    const { status, body } = await daemon.post("/commands/run", { command: "no-such-program", args: [] });
    expect(status).toBe(200);
    expect(body).toMatchObject({ exit_code: 127, end: { cause: "could_not_start" } });
    expect(body.stderr).toBe("could not start: no-such-program: not found\n");
  });

  test("answers 200 with exit code 124 when the time is up, and ends the whole tree", async () => {
    const script = "setsid sleep 611 & sleep 611";
    const { status, body } = await daemon.post("/commands/run", {
      command: "bash",
      args: ["-c", script],
      timeout: 1,
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ exit_code: 124, end: { cause: "timed_out" } });
    const { body: left } = await daemon.post("/commands/run", { command: "pgrep -fx 'sleep 611' || true" });
    expect(left.stdout).toBe("");
  });

  test("tells a signal from an exit code", async () => {
    const { body } = await daemon.post("/commands/run", { command: "bash", args: ["-c", "kill -SEGV $$"] });
    expect(body).toMatchObject({ exit_code: 139, end: { cause: "signalled", signal: "SIGSEGV" } });
  });

  test("works in the directory asked for", async () => {
    await mkdir(join(daemon.workspace, "dir with space"), { recursive: true });
    const { body } = await daemon.post("/commands/run", {
      command: "pwd",
      args: [],
      workdir: "dir with space",
    });
    expect(body.stdout).toBe(`${daemon.workspace}/dir with space\n`);
  });
});

test("200 commands at once each get their own answer", async () => {
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      daemon.post("/commands/run", { command: `sleep 0.2; echo ${i}; echo ${i} >&2` }),
    ),
  );
  expect(answers.map(({ body }) => [body.stdout, body.stderr])).toEqual(
    Array.from({ length: 200 }, (_, i) => [`${i}\n`, `${i}\n`]),
  );
});

test("more runs at once than allowed get 429 with Retry-After", async () => {
  await using small = await TestDaemon.start({ env: { SANDERLING_MAX_RUNS: "1" } });
  const gate = join(small.directory, "gate");
  const first = small.post("/commands/run", { command: `mkfifo ${gate}; echo open; read line < ${gate}` });
  await until(() => existsSync(gate));
  const refused = await small.post("/commands/run", { command: "true" });
  expect(refused.status).toBe(429);
  expect(refused.headers.get("retry-after")).toBe("1");
  expect(refused.body).toMatchObject({ code: "RATE_LIMIT_EXCEEDED", retry_after: 1 });
  await writeFile(gate, "go\n");
  expect((await first).body.stdout).toBe("open\n");
});

test("a command that writes 1 GiB costs the daemon less than 64 MiB of memory, and the answer says how much it was", async () => {
  await using other = await TestDaemon.start();
  await other.post("/commands/run", { command: "true" });
  const before = await peakMemory(other);
  for (const command of ["head -c 1073741824 /dev/zero", "yes | head -c 1073741824"]) {
    const { status, body } = await other.post("/commands/run", { command, timeout: 100 });
    expect(status).toBe(200);
    expect(body.truncated).toEqual([{ stream: "stdout", total_bytes: 2 ** 30, kept_bytes: 2 ** 21 }]);
    expect(body.stdout.length).toBe(2 ** 21);
  }
  expect((await peakMemory(other)) - before).toBeLessThan(64 * 2 ** 20);
}, 120_000);

/** The most memory a daemon ever held, in bytes. */
async function peakMemory({ child }: TestDaemon): Promise<number> {
  const status = await Bun.file(`/proc/${child.pid}/status`).text();
  return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) * 1024;
}
