import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../../support/clients.ts";
import { TestDaemon, type Answer } from "../../support/daemon.ts";

/**
 * The scripts of examples/hopx hold the requests of the published pages in their own words; here each must
 * give the documented answer. They name /workspace and the product's own Python, so both must be there.
 */
const OWN_PYTHON = join(import.meta.dir, "../../../.sanderling/python");
const WORKSPACE = "/workspace";
const CREATED = ["data.txt", "process.py", "project", "output", "repo"];

let directory: string;
let daemon: TestDaemon;
const answers: Record<string, { status: number; body: Answer }> = {};

beforeAll(async () => {
  expect(existsSync(join(OWN_PYTHON, "bin/python"))).toBe(true);
  directory = await mkdtemp(join(tmpdir(), "sanderling-pages-"));
  const data = join(directory, "data");
  await mkdir(data);
  await symlink(OWN_PYTHON, join(data, "python"));
  daemon = await TestDaemon.start({
    env: { SANDERLING_DATA_DIR: data, SANDERLING_WORKSPACE: WORKSPACE, ...(await redirectedGit(directory)) },
  });
  await removeCreated();
  await writeFile(join(WORKSPACE, "data.txt"), "one\ntwo\nthree\n");
  await writeFile(join(WORKSPACE, "process.py"), 'open("result.csv", "w").write("a,b\\n")\n');
  await mkdir(join(WORKSPACE, "project"));
  await writeFile(
    join(WORKSPACE, "project/package.json"),
    '{"name":"project","scripts":{"test":"echo tested"}}',
  );
  for (const script of ["execute.sh", "commands.sh"]) Object.assign(answers, await answersOf(script));
}, 180_000);

afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await removeCreated();
  await rm(directory, { recursive: true, force: true });
});

async function removeCreated(): Promise<void> {
  await Promise.all(CREATED.map((name) => rm(join(WORKSPACE, name), { recursive: true, force: true })));
}

/** The page clones a repository that does not exist; git is told to take a local one for it. */
async function redirectedGit(parent: string): Promise<Record<string, string>> {
  const origin = join(parent, "origin/repo.git");
  const script = `git init -q "$0" && cd "$0" && git -c user.name=T -c user.email=t@example.com commit -q --allow-empty -m First`;
  expect((await runProgram(["sh", "-c", script, origin])).code).toBe(0);
  return {
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: `url.${join(parent, "origin")}/.insteadOf`,
    GIT_CONFIG_VALUE_0: "https://github.com/user/",
  };
}

async function answersOf(script: string): Promise<typeof answers> {
  const env = { SANDERLING_URL: daemon.url, SANDERLING_TOKEN: daemon.token };
  const { code, stdout, stderr } = await runProgram(["sh", `examples/hopx/${script}`], env);
  expect([code, stderr]).toEqual([0, ""]);
  const blocks = stdout.split(/^== /m).filter(Boolean);
  return Object.fromEntries(
    blocks.map((block) => {
      const [name = "", body = "", status = ""] = block.split("\n");
      return [`${script}/${name}`, { status: Number(status), body: JSON.parse(body) as Answer }];
    }),
  );
}

const ok = (stdout: unknown) => ({
  status: 200,
  body: { success: true, stdout, stderr: expect.any(String) as string, exit_code: 0 },
});
const containing = (text: string) => expect.stringContaining(text) as string;
const matching = (pattern: RegExp) => expect.stringMatching(pattern) as string;

describe("every request of the published pages gives the documented answer", () => {
  test.each([
    ["execute.sh/python", ok("Hello from HopX!\n")],
    ["execute.sh/javascript", ok("Hello from Node.js!\n")],
    ["execute.sh/environment", ok("my_value\n")],
    ["execute.sh/pandas", ok("   a\n0  1\n1  2\n2  3\n")],
    ["execute.sh/require", ok(containing("'data.txt'"))],
    ["execute.sh/bash", ok(containing("process.py"))],
    [
      "execute.sh/timeout",
      { status: 408, body: { error: "Execution timeout after 1 second", code: "EXECUTION_TIMEOUT" } },
    ],
    [
      "execute.sh/invalid-language",
      { status: 400, body: { error: "Invalid language: ruby", code: "INVALID_REQUEST" } },
    ],
    [
      "execute.sh/failure",
      {
        status: 500,
        body: {
          success: false,
          stdout: "",
          stderr: matching(/NameError: name 'x' is not defined\n$/),
          exit_code: 1,
        },
      },
    ],
    ["execute.sh/data-analysis", ok("Mean: $170.00\nMedian: $180.00\n")],
    ["execute.sh/file-processing", ok("File has 3 lines\n")],
    ["execute.sh/system-information", ok(matching(/^OS: Linux\nPython: 3\.\d+\.\d+\nCPU Count: \d+\n$/))],
    ["commands.sh/list", ok(containing("data.txt"))],
    ["commands.sh/environment", ok("hello\n")],
    [
      "commands.sh/failure",
      {
        status: 500,
        body: {
          stdout: "",
          stderr: matching(/cannot access '\/nonexistent': No such file or directory\n$/),
          exit_code: 2,
        },
      },
    ],
    ["commands.sh/install", ok(containing("numpy"))],
    ["commands.sh/system", ok(containing("Mem:"))],
    ["commands.sh/file", ok("3\n")],
    ["commands.sh/git", ok(containing("First"))],
    ["commands.sh/test", ok(containing("tested"))],
    ["commands.sh/pipeline", ok("")],
  ])("%s", (name, expected) => {
    expect(answers[name]).toMatchObject(expected);
  });

  test("the pipeline left its result where the page says", () => {
    expect(existsSync(join(WORKSPACE, "output/result.csv"))).toBe(true);
  });
});
