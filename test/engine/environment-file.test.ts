import { expect, test } from "bun:test";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EnvironmentFile } from "../../src/engine/environment-file.ts";
import { parseEnvironment } from "../../src/engine/environment-text.ts";

test.each([
  ["A=1\nB=two words\n", { A: "1", B: "two words" }],
  ["  A=1  \n\n# A=2\n#B=3\nno equals\n=nothing\n", { A: "1" }],
  ["A='literal $HOME \\n'\nB=after", { A: "literal $HOME \\n", B: "after" }],
  ['A="x\\n\\t\\"\\\\ $HOME ${HOME}/y"', { A: 'x\n\t"\\ /home/me /home/me/y' }],
  ["A='two\nlines'\nB=\"also\ntwo\"", { A: "two\nlines", B: "also\ntwo" }],
  ["A=$HOME/x:$MISSING:${HOME}", { A: "/home/me/x::/home/me" }],
  ["A=it's\nB=fine", { A: "it's", B: "fine" }],
  ["A=1\nA=2", { A: "2" }],
  ["A=\nB=''", { A: "", B: "" }],
  ["A=x=y", { A: "x=y" }],
])("the variables of %j", (text, variables) => {
  expect(parseEnvironment(text, { HOME: "/home/me" })).toEqual(variables);
});

test("a file is read anew each time, and one that is not to be trusted is told once and passed over", async () => {
  const directory = await mkdtemp(join(tmpdir(), "environment-"));
  try {
    const notices: string[] = [];
    const path = join(directory, "variables");
    const file = new EnvironmentFile(path, undefined, (notice, { cause }) =>
      notices.push(`${notice}: ${String(cause)}`),
    );
    expect(file.read({})).toEqual({});
    await writeFile(path, "A=1");
    expect(file.read({})).toEqual({ A: "1" });
    await writeFile(path, "A=2");
    expect(file.read({})).toEqual({ A: "2" });
    expect(notices).toEqual([]);
    await rm(path);
    await symlink("/etc/environment", path);
    expect([file.read({}), file.read({})]).toEqual([{}, {}]);
    expect(notices).toHaveLength(1);
  } finally {
    await rm(directory, { recursive: true });
  }
});
