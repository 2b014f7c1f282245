import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chooseInterpreter, findInterpreters, type Interpreter } from "../../src/setup/interpreters.ts";
import { ENVIRONMENT, temporaryDirectory } from "./support.ts";

const LINES: Readonly<Record<string, string>> = {
  broken: "echo 'python3: command not found' >&2; exit 127",
  chatty: "echo this is something else",
};

function writeScript(directory: string, name: string, line: string): void {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\n${line}\n`);
  chmodSync(path, 0o755);
}

async function aRealPython(): Promise<Interpreter> {
  const [first] = await findInterpreters({ environment: ENVIRONMENT });
  if (first === undefined) throw new Error("these tests need a Python 3");
  return first;
}

test("finds the interpreters of this machine, newest first and each once", async () => {
  const found = await findInterpreters({ environment: ENVIRONMENT });
  expect(found.length).toBeGreaterThan(0);
  const minors = found.map(({ version }) => version[1]);
  expect(minors).toEqual(minors.toSorted((a, b) => b - a));
  expect(new Set(found.map(({ path }) => path)).size).toBe(found.length);
  expect(found.map(({ path }) => realpathSync(path))).toEqual(found.map(({ path }) => path));
});

for (const [kind, line] of Object.entries(LINES)) {
  test(`is not misled by a ${kind} python3 in PATH, and looks further`, async () => {
    await using directory = temporaryDirectory();
    const [shims, real] = [join(directory.path, "shims"), join(directory.path, "real")];
    writeScript(shims, "python3", line);
    const python = await aRealPython();
    mkdirSync(real);
    symlinkSync(python.path, join(real, "python3"));
    const environment = { PATH: `${shims}:${real}:/usr/bin:/bin`, HOME: directory.path };
    const found = await findInterpreters({ environment, directories: [] });
    expect(found.map(({ path }) => path)).toContain(python.path);
    expect(found.map(({ path }) => path)).not.toContain(join(shims, "python3"));
  });
}

test("finds what pyenv has installed, by PYENV_ROOT", async () => {
  await using directory = temporaryDirectory();
  const python = await aRealPython();
  const versions = join(directory.path, "versions");
  mkdirSync(join(versions, "mine", "bin"), { recursive: true });
  symlinkSync(python.path, join(versions, "mine", "bin", "python3"));
  const environment = { PATH: directory.path, HOME: directory.path, PYENV_ROOT: directory.path };
  expect(await findInterpreters({ environment, directories: [] })).toEqual([python]);
});

test("finds nothing where there is nothing", async () => {
  await using directory = temporaryDirectory();
  const environment = { PATH: directory.path, HOME: directory.path };
  expect(await findInterpreters({ environment, directories: [] })).toEqual([]);
});

test("chooses the newest that the pinned packages have wheels for", () => {
  const make = (minor: number, more: Partial<Interpreter> = {}): Interpreter => ({
    path: `/usr/bin/python3.${minor}`,
    version: [3, minor, 0],
    isOrdinary: true,
    makesEnvironments: true,
    ...more,
  });
  const found = [make(99), make(13, { makesEnvironments: false }), make(12, { isOrdinary: false }), make(11)];
  expect(chooseInterpreter(found, undefined)?.version).toEqual([3, 11, 0]);
  expect(chooseInterpreter([make(9)], undefined)).toBeUndefined();
});
