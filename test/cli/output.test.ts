import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { MAIN } from "../support/cli.ts";
import { TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const LISTS = [["env", "list"], ["ps"], ["version"], ["--help"], ["env", "--help"], ["completion", "bash"]];

async function run(command: readonly string[], stdout: number | "pipe") {
  const child = Bun.spawn([...command], {
    env: { ...process.env, SANDERLING_URL: daemon.url, SANDERLING_TOKEN: daemon.token },
    stdin: "ignore",
    stdout,
    stderr: "pipe",
  });
  const text = (stream: unknown) => (stream instanceof ReadableStream ? new Response(stream).text() : "");
  const [out, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await child.exited, stdout: out, stderr };
}

/** Runs a script with the command line as its arguments. */
const inBash = (script: string, args: readonly string[]) =>
  run(["bash", "-c", script, "bash", ...MAIN, ...args], "pipe");

test.each([...LISTS, ["cmd", "-n", "echo hi"], ["-V"]])(
  "sanderling %s ... fails in one line when its output cannot be written",
  async (...args) => {
    const full = openSync("/dev/full", "w");
    try {
      const { code, stderr } = await run([...MAIN, ...args], full);
      expect(stderr).toMatch(/^Cannot write to stdout: .*ENOSPC[^\n]*\n$/);
      expect(code).toBe(1);
    } finally {
      closeSync(full);
    }
  },
);

test("a reader that has gone ends it as other programs end, without a word", async () => {
  for (const args of [...LISTS, ["cmd", "-n", "echo hi"]]) {
    const script = 'exec 3> >(exit); wait $!; "$@" >&3; echo $?';
    expect(await inBash(script, args)).toEqual({ code: 0, stdout: "141\n", stderr: "" });
  }
});

test("all of a long output is handed on, however slowly it is read", async () => {
  const body = JSON.stringify({ env_vars: { LONG: "x".repeat(100_000) } });
  expect((await daemon.fetch("/env", { method: "PATCH", body })).status).toBe(204);
  const script = '"$@" | { read -r -N 10 _; wc -c; }';
  const { stdout } = await inBash(script, ["env", "get", "LONG"]);
  expect(Number(stdout)).toBe(100_001 - 10);
});
