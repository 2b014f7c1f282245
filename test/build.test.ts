import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, copyFile, mkdir, mkdtemp, readdir, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { cli, MAIN, placedIn, ROOT, ServeProcess, strangerDirectory } from "./support/cli.ts";
import { TestDaemon } from "./support/daemon.ts";

setDefaultTimeout(120_000);

/** What the machine of a user may have; neither Node, npm nor Bun. */
const PROGRAMS = ["sh", "bash", "env", "cat", "echo", "ls", "mkdir", "rm", "sleep", "uname"];

let directory: string;
let executable: string;
let daemon: TestDaemon;
/** The interpreter itself: what is found in PATH may be a script that needs more than itself. */
const PYTHON = (
  await cli(["-c", "import sys; print(sys.executable)"], { command: ["env", "python3"] })
).stdout.trim();
const hasPython = PYTHON !== "";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sanderling-test-"));
  const built = await cli([], { command: [process.execPath, join(ROOT, "scripts/build.ts")] });
  expect([built.code, built.stderr]).toEqual([0, ""]);
  // Away from the checkout, so that it finds nothing beside itself.
  executable = join(directory, "sanderling");
  await copyFile(join(ROOT, "dist/sanderling"), executable);
  await chmod(executable, 0o755);
  const path = join(directory, "bin");
  await mkdir(path);
  for (const program of PROGRAMS) await link(Bun.which(program), join(path, program));
  if (hasPython) await link(PYTHON, join(path, "python3"));
  daemon = await TestDaemon.start({
    command: [join(path, "sh"), "-c", 'cd "$0" && exec ./sanderling "$@"', directory],
    env: { PATH: path, HOME: directory },
  });
});

afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

async function link(program: string | null, path: string): Promise<void> {
  if (program !== null) await symlink(await realpath(program), path);
}

async function text(path: string): Promise<{ status: number; text: string; type: string }> {
  const response = await daemon.fetch(path);
  const type = response.headers.get("content-type") ?? "";
  return { status: response.status, text: await response.text(), type };
}

describe("the one executable, where neither Node, npm nor Bun is", () => {
  test("is what runs, and its environment is as bare as this test says", async () => {
    expect(basename(await realpath(`/proc/${daemon.child.pid}/exe`))).toBe("sanderling");
    const { body } = await daemon.post("/execute", { language: "bash", code: "type node npm npx bun" });
    expect(body.exit_code).not.toBe(0);
    expect(body.stdout).toBe("");
  });

  test("tells the version that the checkout has", async () => {
    const packed = await cli(["version"], { command: [executable] });
    expect([packed.code, packed.stdout]).toEqual([0, (await cli(["version"], { command: MAIN })).stdout]);
    const help = await cli(["serve", "--help"], { command: [executable] });
    expect(help.stdout).toBe((await cli(["serve", "--help"], { command: MAIN })).stdout);
  });

  test("runs commands and Bash, in the workspace", async () => {
    const command = await daemon.post("/commands/run", { command: "echo $((6 * 7))" });
    expect([command.status, command.body.stdout]).toEqual([200, "42\n"]);
    const code = await daemon.post("/execute", {
      language: "bash",
      code: 'words=(a b); echo "${words[@]}"; pwd',
    });
    expect([code.status, code.body.stdout]).toEqual([200, `a b\n${daemon.workspace}\n`]);
  });

  test.skipIf(!hasPython)("runs Python with the file that it carries", async () => {
    const code = "import sys\nprint(6 * 7, sys.argv)\n1 / 0";
    const { body } = await daemon.post("/execute", { language: "python", code, workdir: daemon.workspace });
    expect(body.stdout).toStartWith("42 ");
    expect(body.stderr).toContain("ZeroDivisionError: division by zero");
    expect(body.stderr).toContain("line 3");
  });

  test.each(["javascript", "typescript"])("refuses %s, and says how to get it", async (language) => {
    const { status, body } = await daemon.post("/execute", { language, code: "console.log(1)" });
    expect([status, body.code]).toEqual([400, "INVALID_REQUEST"]);
    expect(body.error).toContain("sanderling setup javascript");
  });

  test("knows which languages it has", async () => {
    const { languages } = JSON.parse((await text("/info")).text) as {
      languages: { id: string; installed: boolean }[];
    };
    const installed = languages.filter((language) => language.installed).map(({ id }) => id);
    expect(installed.toSorted()).toEqual(hasPython ? ["bash", "python"] : ["bash"]);
  });

  test("serves the reference and everything it needs out of itself", async () => {
    const page = await text("/docs");
    expect([page.status, page.type]).toEqual([200, "text/html; charset=utf-8"]);
    const script = await text("/docs/reference.js");
    expect([script.status, script.type]).toEqual([200, "text/javascript; charset=utf-8"]);
    const original = Bun.file(join(ROOT, "node_modules/swagger-ui-dist/swagger-ui-bundle.js"));
    expect(script.text.length).toBe((await original.text()).length);
    const style = await text("/docs/style.css");
    expect([style.status, style.type]).toEqual([200, "text/css; charset=utf-8"]);
    expect(style.text).toContain(".swagger-ui");
    expect((await text("/docs/start.js")).text).toContain("SwaggerUIBundle");
  });

  test("serves the console out of itself", async () => {
    const page = await text("/console");
    expect([page.status, page.type]).toEqual([200, "text/html; charset=utf-8"]);
    const files = [...page.text.matchAll(/"(console\/files\/[^"]+)"/g)].map(([, path]) =>
      text(`/${path ?? ""}`),
    );
    const [style, script] = await Promise.all(files);
    expect([style?.status, style?.type]).toEqual([200, "text/css; charset=utf-8"]);
    expect([script?.status, script?.type]).toEqual([200, "text/javascript; charset=utf-8"]);
    const parts = [...(script?.text ?? "").matchAll(/"\.\/((?:chunk|run-tab|terminal-tab)-\w+\.js)"/g)];
    expect(parts.length).toBeGreaterThan(2);
    for (const [, name] of parts) expect((await text(`/console/files/${name ?? ""}`)).status).toBe(200);
  });

  test("describes its API", async () => {
    const document = JSON.parse((await text("/openapi.json")).text) as { openapi: string; paths: object };
    expect(document.openapi).toBe("3.1.0");
    expect(Object.keys(document.paths)).toContain("/execute");
  });

  test("logs for people too, which needs a part that is loaded late", async () => {
    const place = join(directory, "pretty");
    await using pretty = await TestDaemon.start({
      command: [executable],
      env: { SANDERLING_LOG_FORMAT: "pretty", SANDERLING_DATA_DIR: place },
    });
    await pretty.stop();
    expect(await pretty.log).toMatch(/INFO.*: ready/);
  });

  test("takes nothing from the directory that it is started in", async () => {
    await using place = await strangerDirectory();
    const env = { ...placedIn(place.path), PATH: process.env["PATH"] };
    const command = ["sh", "-c", 'cd "$0" && exec "$@"', place.path, executable];
    await using serving = await ServeProcess.start(["--json"], { command, env });
    expect(serving.ready.sandbox_id).not.toBe("stranger");
    expect(await readdir(place.path)).not.toContain("ran-as-the-daemon");
  });

  test("leaves nothing behind when it is stopped", async () => {
    const temporary = join(directory, "temporary");
    await mkdir(temporary);
    await using other = await TestDaemon.start({ command: [executable], env: { TMPDIR: temporary } });
    const { body } = await other.post("/execute", { language: "bash", code: "echo made" });
    expect(body.stdout).toBe("made\n");
    expect(await other.stop()).toBe(0);
    expect(await readdir(temporary)).toEqual([]);
  });
});
