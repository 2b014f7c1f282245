import { describe, expect, test, setDefaultTimeout } from "bun:test";
import { copyFile, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { temporaryDirectory, type TemporaryDirectory } from "../setup/support.ts";
import { cli, MAIN, placedIn, ROOT, ServeProcess, strangerDirectory } from "../support/cli.ts";

setDefaultTimeout(60_000);

const LAUNCHER = join(ROOT, "bin/sanderling");
const VERBS = ["serve", "token", "setup", "doctor", "version"];

describe.each([
  ["bin/sanderling", [LAUNCHER]],
  ["src/main.ts", MAIN],
])("%s", (_, command) => {
  test("version prints version, runtime and platform", async () => {
    const { code, stdout, stderr } = await cli(["version"], { command });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toBe(
      `sanderling ${manifest.version} (Bun ${Bun.version}, ${process.platform} ${process.arch})\n`,
    );
  });

  test("version --json prints them for programs", async () => {
    const { code, stdout } = await cli(["version", "--json"], { command });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      version: manifest.version,
      bun: Bun.version,
      platform: process.platform,
      arch: process.arch,
    });
  });

  test.each(["--version", "-V"])("%s prints the bare version", async (flag) => {
    const { code, stdout, stderr } = await cli([flag], { command });
    expect([code, stdout, stderr]).toEqual([0, `${manifest.version}\n`, ""]);
  });

  test("without arguments it prints the help, which has every command", async () => {
    const { code, stdout, stderr } = await cli([], { command });
    expect(code).toBe(2);
    expect(stdout + stderr).toContain("Usage: sanderling");
    for (const verb of VERBS) expect(stdout + stderr).toMatch(new RegExp(`^ +${verb}\\b`, "m"));
  });

  test.each([["--help"], ["-h"], ["help"]])(
    "%s prints the same on stdout, with exit code 0",
    async (flag) => {
      const { code, stdout, stderr } = await cli([flag], { command });
      expect([code, stderr]).toEqual([0, ""]);
      for (const verb of VERBS) expect(stdout).toMatch(new RegExp(`^ +${verb}\\b`, "m"));
    },
  );

  test("an unknown command ends with exit code 2", async () => {
    const { code, stdout, stderr } = await cli(["sreve"], { command });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("unknown command 'sreve'");
  });
});

test.each(VERBS)("%s --help needs neither a usable environment nor a directory", async (verb) => {
  const { code, stdout } = await cli([verb, "--help"], { env: { SANDERLING_HOPX_PORT: "nonsense" } });
  expect(code).toBe(0);
  expect(stdout).toStartWith(`Usage: sanderling ${verb} `);
});

/** A checkout without data, of the very code that is tested. */
async function newCheckout(): Promise<TemporaryDirectory> {
  const directory = temporaryDirectory();
  await mkdir(join(directory.path, "bin"));
  await copyFile(LAUNCHER, join(directory.path, "bin/sanderling"));
  for (const name of ["src", "node_modules", "package.json"])
    await symlink(join(ROOT, name), join(directory.path, name));
  return directory;
}

describe("bin/sanderling", () => {
  test("works through a link from elsewhere, as npm makes it", async () => {
    await using directory = temporaryDirectory();
    const link = join(directory.path, "sanderling");
    await symlink(LAUNCHER, link);
    const { code, stdout } = await cli(["--version"], { command: [link] });
    expect([code, stdout]).toEqual([0, `${manifest.version}\n`]);
  });

  test("takes nothing from the directory that it is started in", async () => {
    await using place = await strangerDirectory();
    const command = ["sh", "-c", 'cd "$0" && exec "$@"', place.path, LAUNCHER];
    await using serving = await ServeProcess.start(["--json"], { env: placedIn(place.path), command });
    expect(serving.ready.sandbox_id).not.toBe("stranger");
    expect(await readdir(place.path)).not.toContain("ran-as-the-daemon");
  });

  test("keeps its data beside the code", async () => {
    await using checkout = await newCheckout();
    expect((await cli(["token"], { command: [join(checkout.path, "bin/sanderling")] })).code).toBe(0);
    expect(await readdir(checkout.path)).toContain(".sanderling");
  });

  test("keeps its data where a configuration file says", async () => {
    await using checkout = await newCheckout();
    const [file, data] = [join(checkout.path, "settings.toml"), join(checkout.path, "elsewhere")];
    await writeFile(file, `data_dir = "${data}"`);
    const command = [join(checkout.path, "bin/sanderling")];
    expect((await cli(["token"], { env: { SANDERLING_CONFIG: file }, command })).code).toBe(0);
    expect(await readdir(checkout.path)).not.toContain(".sanderling");
    expect(await readdir(data)).toContain("private");
  });

  test("serve is stopped by the signal that its caller sends, with exit code 0", async () => {
    await using directory = temporaryDirectory();
    const env = placedIn(directory.path);
    const serving = await ServeProcess.start(["--json"], { env, command: [LAUNCHER] });
    // No shell stays in between: the process that was started is the daemon.
    expect(serving.ready.pid).toBe(serving.pid);
    expect(await serving.stop()).toBe(0);
  });
});
