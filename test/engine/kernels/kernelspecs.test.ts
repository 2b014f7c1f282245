import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findKernelspecs, jupyterPath, kernelCommand } from "../../../src/engine/kernels/kernelspecs.ts";
import { findKind } from "../../../src/engine/kernels/kernel-languages.ts";
import { translateScript } from "../../../src/engine/kernels/translate-script.ts";
import { temporaryDirectory } from "../../setup/support.ts";

/** Writes a kernelspec; text as it is, anything else as JSON. */
function install(root: string, name: string, spec: unknown): string {
  const directory = join(root, "kernels", name);
  mkdirSync(directory, { recursive: true });
  const text = typeof spec === "string" ? spec : JSON.stringify(spec);
  writeFileSync(join(directory, "kernel.json"), text);
  return directory;
}

describe("kernelspecs", () => {
  test("are looked for where Jupyter looks, in its order", () => {
    const env = { HOME: "/home/a", JUPYTER_PATH: "/one:/two" };
    const rest = ["/usr/local/share/jupyter", "/usr/share/jupyter"];
    const own = "/venv/share/jupyter";
    const look = (more: Record<string, string>) => jupyterPath({ env: { ...env, ...more }, prefix: "/venv" });
    expect(look({})).toEqual(["/one", "/two", own, "/home/a/.local/share/jupyter", ...rest]);
    expect(look({ XDG_DATA_HOME: "/data" })[3]).toBe("/data/jupyter");
    expect(look({ JUPYTER_DATA_DIR: "/jupyter" })[3]).toBe("/jupyter");
    expect(look({ JUPYTER_PREFER_ENV_PATH: "0" }).slice(2, 4)).toEqual(["/home/a/.local/share/jupyter", own]);
  });

  test("are read with their templates filled in", async () => {
    await using root = temporaryDirectory();
    const directory = install(root.path, "My.Kernel-1", {
      argv: ["python3", "{resource_dir}/run", "--prefix={prefix}", "-f", "{connection_file}", "{unknown}"],
      display_name: "Mine",
      language: "Mine",
      interrupt_mode: "message",
      env: { A: "${GIVEN}/$GIVEN/$NOT_GIVEN/$$" },
      metadata: { debugger: true },
    });
    const found = findKernelspecs({
      env: { JUPYTER_PATH: root.path, HOME: root.path, GIVEN: "x" },
      prefix: "/venv",
      onNotice: (notice) => expect(notice).toBe(""),
    });
    const spec = found.get("my.kernel-1");
    expect(spec).toEqual({
      name: "my.kernel-1",
      displayName: "Mine",
      language: "mine",
      argv: [
        "/venv/bin/python",
        `${directory}/run`,
        "--prefix=/venv",
        "-f",
        "{connection_file}",
        "{unknown}",
      ],
      env: { A: "x/x/$NOT_GIVEN/$" },
      interruptMode: "message",
      metadata: { debugger: true },
    });
    expect(spec && kernelCommand(spec, "/tmp/c.json")[4]).toBe("/tmp/c.json");
  });

  test("that are broken are left out with a notice, and the first of a name counts", async () => {
    await using root = temporaryDirectory();
    const [first, second] = [join(root.path, "first"), join(root.path, "second")];
    install(first, "good", { argv: ["first"] });
    install(second, "good", { argv: ["second"] });
    for (const [name, spec] of Object.entries(BROKEN)) install(first, name, spec);
    mkdirSync(join(first, "kernels", "no-file"));
    mkdirSync(join(first, "kernels", "fifo"));
    spawnSync("mkfifo", [join(first, "kernels", "fifo", "kernel.json")]);
    const notices: string[] = [];
    const found = findKernelspecs({
      env: { JUPYTER_PATH: `${first}:${second}`, HOME: root.path },
      prefix: root.path,
      onNotice: (_, { directory }) => notices.push(String(directory).split("/").at(-1) ?? ""),
    });
    const own = [...found.keys()].filter((name) => name === "good" || name in BROKEN);
    expect(own).toEqual(["good"]);
    expect(found.get("good")?.argv).toEqual(["first"]);
    expect(notices.sort()).toEqual([...Object.keys(BROKEN), "fifo"].sort());
  });

  test("of any language make contexts, by name or by language", async () => {
    await using root = temporaryDirectory();
    install(root.path, "ir", { argv: ["R", "{connection_file}"], display_name: "R 4", language: "R" });
    const search = {
      env: { JUPYTER_PATH: root.path, HOME: root.path, PATH: "" },
      prefix: root.path,
      user: undefined,
      programs: {},
      runtime: (name: string) => name,
      onNotice: () => undefined,
    };
    for (const name of ["ir", "R", "r"])
      expect(findKind(name, search)).toMatchObject({ language: "r", title: "R 4" });
    expect(() => findKind("cobol", search)).toThrow("Invalid language: cobol");
    expect(() => findKind("bash", search)).toThrow("sanderling setup bash");
  });
});

const BROKEN = {
  "no-json": "{",
  "no-argv": {},
  "empty-argv": { argv: [] },
  "odd-argv": { argv: ["x", 1] },
  "odd-env": { argv: ["x"], env: { A: 1 } },
  "odd-mode": { argv: ["x"], interrupt_mode: "shout" },
  list: [],
  large: JSON.stringify({ argv: ["x"], metadata: { text: "x".repeat(300_000) } }),
};

describe("a cell of JavaScript", () => {
  test.each([
    ["import fs from 'node:fs'", 'const { default: fs } = await __sanderling_import__("node:fs");'],
    ["import * as p from 'p';", 'const p = await __sanderling_import__("p");'],
    ["import d, { a as b, c } from 'm'", 'const { default: d, a: b, c } = await __sanderling_import__("m");'],
    [
      "import d, * as all from 'm'",
      'const all = await __sanderling_import__("m"); const { default: d } = all;',
    ],
    ["import 'effect'", 'await __sanderling_import__("effect");'],
    ["import {\n  a,\n} from 'm'\nb", 'const { a } = await __sanderling_import__("m");\n\n\nb'],
    ["const m = await import('m')", "const m = await __sanderling_import__('m')"],
    ["x.import(1); 'import(1)'", "x.import(1); 'import(1)'"],
    ["export const a = 1", "const a = 1"],
    ["import fro", "import fro"],
  ])("%j keeps its lines", (code, expected) => {
    expect(translateScript(code, "javascript")).toBe(expected);
  });

  test("in TypeScript loses its types and keeps imports for later cells", () => {
    const code = "import { join } from 'path';\ninterface A { x: 1 }\nlet y: number = 2";
    const lines = translateScript(code, "typescript").split("\n");
    expect(lines[0]).toBe('const { join } = await __sanderling_import__("path");');
    expect(lines[2]).toBe("let y = 2");
  });
});
