import { expect, test } from "bun:test";
import { existsSync, readdirSync, realpathSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { ownPython } from "../../src/config/directories.ts";
import { setUpPython } from "../../src/setup/python.ts";
import type { PartResult } from "../../src/setup/result.ts";
import { runTool } from "../../src/setup/tool.ts";
import { contextFor, ENVIRONMENT, temporaryDirectory } from "./support.ts";

const SIX = { requirements: "six==1.16.0\n" };
const NO_INDEX = { PIP_INDEX_URL: "http://127.0.0.1:9/simple", PIP_RETRIES: "0", PIP_FIND_LINKS: "" };
const SLOW = 120_000;

function importsSix(python: string): Promise<{ succeeded: boolean }> {
  return runTool([join(python, "bin/python"), "-c", "import six"], { env: ENVIRONMENT, output: "captured" });
}

function failureOf(result: PartResult): string {
  return result.state === "failed" ? `${result.detail}; ${result.fix}` : "it has not failed";
}

test(
  "makes an environment with the packages, and a second time does nothing",
  async () => {
    await using directory = temporaryDirectory();
    const python = ownPython(directory.path);
    const first = contextFor(directory.path);
    expect(await setUpPython(first, SIX)).toMatchObject({ state: "ready", changed: true });
    expect(first.printed.every((line) => line.startsWith("==> "))).toBe(true);
    expect((await importsSix(python)).succeeded).toBe(true);

    const second = contextFor(directory.path);
    const made = realpathSync(python);
    expect(await setUpPython(second, SIX)).toMatchObject({ state: "ready", changed: false });
    expect(second.printed).toEqual([]);
    expect(realpathSync(python)).toBe(made);
  },
  SLOW,
);

test(
  "makes an interrupted environment again, and leaves nothing of it",
  async () => {
    await using directory = temporaryDirectory();
    const python = ownPython(directory.path);
    await setUpPython(contextFor(directory.path), SIX);
    const interrupted = realpathSync(python);
    rmSync(join(python, "sanderling-stamp"));
    rmSync(join(python, "lib"), { recursive: true });

    expect(await setUpPython(contextFor(directory.path), SIX)).toMatchObject({ changed: true });
    expect((await importsSix(python)).succeeded).toBe(true);
    expect(existsSync(interrupted)).toBe(false);
    expect(readdirSync(join(directory.path, "pythons"))).toHaveLength(1);
  },
  SLOW,
);

test(
  "says so when the package index cannot be reached, and leaves no environment",
  async () => {
    await using directory = temporaryDirectory();
    const context = contextFor(directory.path, NO_INDEX);
    const result = await setUpPython(context, SIX);
    expect(failureOf(result)).toContain("cannot install the packages");
    expect(failureOf(result)).toContain("sanderling setup python");
    expect(context.printed.join("\n")).toContain("six==1.16.0");
    expect(existsSync(ownPython(directory.path))).toBe(false);
    expect(readdirSync(join(directory.path, "pythons"))).toEqual([]);
  },
  SLOW,
);

test(
  "keeps an older environment in use when a newer one cannot be made",
  async () => {
    await using directory = temporaryDirectory();
    const python = ownPython(directory.path);
    await setUpPython(contextFor(directory.path), SIX);
    const older = realpathSync(python);
    const result = await setUpPython(contextFor(directory.path, NO_INDEX), { requirements: "six==1.17.0\n" });
    expect(result.state).toBe("failed");
    expect(realpathSync(python)).toBe(older);
    expect((await importsSix(python)).succeeded).toBe(true);
  },
  SLOW,
);

test("says so when the machine has no Python", async () => {
  await using directory = temporaryDirectory();
  await using home = temporaryDirectory();
  const nowhere = { PATH: home.path, HOME: home.path, PYENV_ROOT: home.path };
  const context = contextFor(directory.path, nowhere);
  const result = await setUpPython(context, { ...SIX, directories: [] });
  expect(failureOf(result)).toContain("found no Python");
  expect(existsSync(ownPython(directory.path))).toBe(false);
});

test.skipIf(process.getuid?.() !== 0)(
  "gives the environment to the user that code runs as",
  async () => {
    await using directory = temporaryDirectory();
    const user = { name: "nobody", uid: 65_534, gid: 65_534, groups: [65_534], home: "/", shell: "/bin/sh" };
    const context = { ...contextFor(directory.path), user };
    const result = await setUpPython(context, SIX);
    // A machine may have only interpreters that no other user reaches; that is said, too.
    if (result.state === "failed") {
      expect(failureOf(result)).toContain("nobody");
      return;
    }
    const python = ownPython(directory.path);
    for (const path of [".", "bin/pip", "lib"]) expect(statSync(join(python, path)).uid).toBe(user.uid);
    const removal = await runTool([join(python, "bin/pip"), "uninstall", "-y", "six"], {
      env: { PATH: "/usr/bin:/bin", HOME: "/" },
      user,
      output: "captured",
    });
    expect(removal.succeeded).toBe(true);
    expect(await setUpPython(context, SIX)).toMatchObject({ changed: false });
  },
  SLOW,
);
