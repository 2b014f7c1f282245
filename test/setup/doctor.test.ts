import { expect, test } from "bun:test";
import { join } from "node:path";
import { LANGUAGES } from "../../src/engine/code/languages.ts";
import type { Capability } from "../../src/setup/finding.ts";
import { PARTS } from "../../src/setup/parts.ts";
import { runTool, type ToolResult } from "../../src/setup/tool.ts";
import { ENVIRONMENT, temporaryDirectory } from "./support.ts";

const MAIN = join(import.meta.dir, "support-cli.ts");

function sanderling(...argv: readonly string[]): Promise<ToolResult> {
  return runTool([process.execPath, MAIN, ...argv], { env: ENVIRONMENT, output: "captured" });
}

async function doctor(dataDirectory: string, ...more: readonly string[]) {
  const argv = ["doctor", "--json", "--data-dir", dataDirectory, "--workspace", dataDirectory, ...more];
  const { stdout, ending } = await sanderling(...argv);
  // Its own output, checked field by field below.
  return { ending, found: JSON.parse(stdout) as Capability[] };
}

test("doctor --json tells of every language, with a version or how to get it", async () => {
  await using directory = temporaryDirectory();
  const { found, ending } = await doctor(directory.path);
  expect(ending).toBe("exit code 0");
  for (const { title, setup } of LANGUAGES) {
    const row = found.find(({ capability }) => capability === title);
    expect(row).toBeDefined();
    if (row?.state === "ok") expect(row.version).toMatch(/^\d+\./);
    else expect(row?.fix).toBe(`sanderling setup ${setup}`);
  }
});

test("doctor tells of the tools that parts need, with a version or what to install", async () => {
  await using directory = temporaryDirectory();
  const { found } = await doctor(directory.path);
  for (const [tool, from] of [
    ["git", "git"],
    ["rg", "ripgrep"],
    ["bwrap", "bubblewrap"],
  ] as const) {
    const row = found.find(({ capability }) => capability.startsWith(`${tool} (`));
    expect(row?.state === "ok" || row?.fix === `install the package ${from}`).toBe(true);
  }
});

test("doctor tells how runs are kept together, and what that cannot enforce", async () => {
  await using directory = temporaryDirectory();
  const { found } = await doctor(directory.path, "--containment", "process_group");
  const row = found.find(({ capability }) => capability === "containment");
  expect(row?.state).toBe("limited");
  expect(row?.detail).toContain("enforces no limits");
});

test("doctor fails when the data directory cannot be used", async () => {
  const { found, ending } = await doctor("/proc/nowhere");
  expect(ending).toBe("exit code 1");
  expect(found.find(({ capability }) => capability === "data directory")?.state).toBe("missing");
});

test("doctor without --json prints the same rows, aligned", async () => {
  await using directory = temporaryDirectory();
  const { stdout } = await sanderling("doctor", "--data-dir", directory.path, "--workspace", directory.path);
  const [head = "", ...rows] = stdout.trimEnd().split("\n");
  expect(head).toStartWith("CAPABILITY");
  const column = head.indexOf("STATE");
  for (const row of rows) expect(row.slice(column)).toMatch(/^(ok|missing|limited)/);
});

test("setup lists its parts, which are those that the languages name and the desktop", async () => {
  const { stdout } = await sanderling("setup", "--list");
  for (const { id } of PARTS) expect(stdout).toContain(`${id} `);
  const named = new Set([...LANGUAGES.map(({ setup }) => setup), "desktop"]);
  expect(PARTS.map(({ id }) => id).toSorted()).toEqual([...named].toSorted());
});

test("setup refuses a part that it does not know before it does anything", async () => {
  await using directory = temporaryDirectory();
  const answer = await sanderling("setup", "bash", "cobol", "--data-dir", directory.path);
  expect(answer.ending).toBe("exit code 2");
  expect(answer.stderr).toContain('There is no part "cobol"; there are: python, javascript');
  expect(answer.stdout).toBe("");
});

test("setup has nothing to do for a program that is there", async () => {
  await using directory = temporaryDirectory();
  const answer = await sanderling("setup", "bash", "--data-dir", directory.path);
  expect(answer.ending).toBe("exit code 0");
  expect(answer.stdout).toMatch(/^Bash {2}ok {2}\d+\.\d+.*nothing to do/m);
});
