import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { symlink, writeFile } from "node:fs/promises";
import { temporaryDirectory } from "../../setup/support.ts";
import { MAIN } from "../../support/cli.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";
import { SocketClient, textOf, typesOf } from "../../support/socket-client.ts";

setDefaultTimeout(60_000);

const contexts = async (daemon: TestDaemon): Promise<unknown[]> =>
  ((await (await daemon.fetch("/jupyter/sessions")).json()) as { sessions: unknown[] }).sessions;

test("code of a language without a kernel runs, and every way to ask says what is missing", async () => {
  // The kernel for Bash runs in Node.js, which is nowhere on this path.
  await using programs = temporaryDirectory();
  const bash = Bun.which("bash");
  if (bash === null) throw new Error("this machine has no bash");
  await symlink(bash, join(programs.path, "bash"));
  await using daemon = await TestDaemon.start({ env: { PATH: programs.path } });
  const missing = /^Cannot make a context for Bash: no kernel for it is installed\. Add it with: /;
  const { body } = await daemon.post("/execute/rich", { code: "echo 42", language: "bash" });
  expect(body).toMatchObject({ success: true, stdout: "42\n", rich_outputs: [] });
  expect(String(body["rich_unavailable"])).toMatch(missing);
  await using client = await SocketClient.open(daemon, "/stream");
  const told = await client.run({ code: "echo 42", language: "bash" });
  expect(typesOf(told)).toEqual(["notice", "started", "stdout", "result", "complete"]);
  expect(String(told[0]?.["message"]).replace("Without rich output: ", "")).toMatch(missing);
  await writeFile(join(daemon.directory, "main.sh"), "echo 42");
  const child = Bun.spawn([...MAIN, "run", "--rich", "-n", join(daemon.directory, "main.sh")], {
    env: { ...process.env, SANDERLING_URL: daemon.url, SANDERLING_TOKEN: daemon.token },
    stdout: "pipe",
    stderr: "pipe",
  });
  expect(await new Response(child.stdout).text()).toBe("42\n");
  expect(await new Response(child.stderr).text()).toContain(
    "sanderling: Without rich output: Cannot make a context",
  );
  expect(await child.exited).toBe(0);
});

test("code of a language with a kernel says nothing of it, and its kernel ends with it", async () => {
  // In which nothing may wait: what has its turn at once does not.
  await using daemon = await TestDaemon.start({
    withPython: true,
    env: { SANDERLING_CONTEXT_QUEUE_LENGTH: "0" },
  });
  const { body } = await daemon.post("/execute/rich", { code: "6 * 7" });
  expect(body).toMatchObject({ success: true, result: "42" });
  expect(body["rich_unavailable"]).toBeUndefined();
  await using client = await SocketClient.open(daemon, "/stream");
  const told = await client.run({ code: "print(6 * 7)" });
  expect([typesOf(told)[0], textOf(told)]).toEqual(["started", "42\n"]);
  await until(async () => (await contexts(daemon)).length === 0);
  const failed = await client.run({ code: "1/0" });
  expect(failed.at(-1)?.["success"]).toBe(false);
  await until(async () => (await contexts(daemon)).length === 0);
});
