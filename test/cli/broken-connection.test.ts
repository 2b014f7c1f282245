import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { MAIN } from "../support/cli.ts";
import { CuttableProxy } from "../support/cuttable-proxy.ts";
import { TestDaemon } from "../support/daemon.ts";
import { until } from "../support/engine.ts";

let daemon: TestDaemon;
let proxy: CuttableProxy;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  proxy = CuttableProxy.to(Number(new URL(daemon.url).port));
});
afterAll(async () => {
  proxy[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
});

/** Starts the command line as somebody whose network is bad. */
function start(args: readonly string[], stdin: "pipe" | "ignore") {
  return Bun.spawn([...MAIN, ...args], {
    env: { ...process.env, SANDERLING_URL: proxy.url, SANDERLING_TOKEN: daemon.token },
    stdin,
    stdout: "pipe",
    stderr: "pipe",
  });
}

test("output goes on where it stopped, with nothing lost or told twice, and the exit code is the program's", async () => {
  const script = "for i in $(seq 1 3000); do echo line $i; [ $((i % 100)) = 0 ] && sleep 0.02; done; exit 9";
  const child = start(["cmd", "-n", script], "ignore");
  let told = "";
  for await (const chunk of child.stdout) {
    told += new TextDecoder().decode(chunk);
    if (proxy.cuts < 3 && told.length > 4000 * (proxy.cuts + 1)) proxy.cut();
  }
  expect(await child.exited).toBe(9);
  expect(proxy.cuts).toBe(3);
  expect(told).toBe(Array.from({ length: 3000 }, (_, index) => `line ${index + 1}\n`).join(""));
});

test("input goes on where it stopped, once each byte, up to its end", async () => {
  const child = start(["cmd", "cat"], "pipe");
  const stdin = child.stdin;
  if (stdin === undefined) throw new Error("the command line has no stdin");
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const pieces = Array.from({ length: 60 }, () => bytes);
  const feeding = (async () => {
    for (const [index, piece] of pieces.entries()) {
      await stdin.write(piece);
      await stdin.flush();
      // At moments that fall anywhere between a piece and its acknowledgement.
      if (index % 20 === 10) proxy.cut();
    }
    await stdin.end();
  })();
  const back = await new Response(child.stdout).bytes();
  await feeding;
  expect([await child.exited, Buffer.from(back).equals(Buffer.concat(pieces))]).toEqual([0, true]);
});

test("somebody who presses Ctrl-C three times does not wait for a daemon that is gone", async () => {
  await using gone = await TestDaemon.start();
  const child = Bun.spawn([...MAIN, "cmd", "-n", "echo begun; sleep 600"], {
    env: { ...process.env, SANDERLING_URL: gone.url, SANDERLING_TOKEN: gone.token },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let told = "";
  const reading = (async () => {
    for await (const chunk of child.stdout) told += new TextDecoder().decode(chunk);
  })();
  await until(() => told === "begun\n");
  await gone.stop("SIGKILL");
  // Nobody who does not want to waits for half a minute.
  await until(() => {
    child.kill("SIGINT");
    return child.exitCode !== null;
  });
  expect(child.exitCode).toBe(130);
  await reading;
});

test("a program whose output nobody reads any more is ended, without a word", async () => {
  const mark = join(daemon.workspace, "ended");
  const script = `trap 'touch ${mark}; exit' TERM; while :; do echo much; sleep 0.01; done`;
  const child = Bun.spawn(["sh", "-c", '"$@" | head -n 1', "sh", ...MAIN, "cmd", "-n", script], {
    env: { ...process.env, SANDERLING_URL: daemon.url, SANDERLING_TOKEN: daemon.token },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  expect(await new Response(child.stdout).text()).toBe("much\n");
  expect(await new Response(child.stderr).text()).toBe("");
  await until(() => existsSync(mark));
});
