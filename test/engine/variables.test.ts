import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SandboxVariables } from "../../src/engine/variables.ts";
import { openEngine, outcome, refusal } from "../support/engine.ts";

const BASE = { PATH: "/bin", HOME: "/root", LANG: "C.UTF-8", PROXY: "p", TOOLS: "t", SANDERLING_X: "own" };
const VISIBLE = { PATH: "/bin", HOME: "/root", LANG: "C.UTF-8", PROXY: "p", TOOLS: "t" };
const WRITER = join(import.meta.dir, "../support/write-variables.ts");

let directory: string;
let path: string;
let notices: string[];
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "test-variables-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));
beforeEach(() => {
  path = join(directory, `${Bun.randomUUIDv7()}.json`);
  notices = [];
});

function open(base: Readonly<Record<string, string>> = BASE): SandboxVariables {
  return new SandboxVariables({ base, path, onNotice: (notice) => notices.push(notice) });
}

function without(map: Readonly<Record<string, string>>, ...names: string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(map).filter(([name]) => !names.includes(name)));
}

describe("the sandbox's variables", () => {
  test("are the machine's when nobody has changed anything, without the daemon's own", () => {
    expect(open().visible).toEqual(VISIBLE);
    expect(open().environment).toEqual(BASE);
    expect(open().custom).toEqual([]);
  });

  test("are merged one by one, and null takes away, also what the machine gave", async () => {
    const variables = open();
    await variables.merge({ A: "1", B: "", PROXY: "mine" });
    expect(variables.visible).toEqual({ ...VISIBLE, A: "1", B: "", PROXY: "mine" });
    await variables.merge({ A: null, PROXY: null, NEVER: null });
    expect(variables.visible).toEqual({ ...without(VISIBLE, "PROXY"), B: "" });
    await variables.merge({ PROXY: "again" });
    expect(variables.visible["PROXY"]).toBe("again");
  });

  test("replaced by a few names keep what programs need of the machine's", async () => {
    const variables = open();
    await variables.merge({ OLD: "1" });
    await variables.replace({ NEW: "2", PATH: "/mine:/bin" });
    expect(variables.visible).toEqual({ ...VISIBLE, NEW: "2", PATH: "/mine:/bin" });
    expect(variables.custom).toEqual(["NEW", "PATH"]);
  });

  test("replaced by an edited copy of all lose what was taken out of it", async () => {
    const variables = open();
    await variables.merge({ A: "1" });
    await variables.replace(without(variables.visible, "A", "PROXY"));
    expect(variables.visible).toEqual(without(VISIBLE, "PROXY"));
    await variables.replace(without(variables.visible, "TOOLS"));
    expect(variables.visible).toEqual({ PATH: "/bin", HOME: "/root", LANG: "C.UTF-8" });
    expect(variables.custom).toEqual([]);
  });

  test("go back to the machine's value when PATH or its like is taken away", async () => {
    const variables = open();
    await variables.merge({ PATH: "/mine" });
    await variables.merge({ PATH: null, HOME: null });
    expect(variables.visible).toEqual(VISIBLE);
    await variables.replace(without(VISIBLE, "PATH"));
    expect(variables.visible).toEqual(VISIBLE);
  });

  test("are the machine's again when cleared", async () => {
    const variables = open();
    await variables.merge({ A: "1", PROXY: null, PATH: "/mine" });
    await variables.clear();
    expect(variables.visible).toEqual(VISIBLE);
  });

  test("changed at the same time all count", async () => {
    const variables = open();
    const names = Array.from({ length: 20 }, (_, index) => `N${index}`);
    await Promise.all(names.map((name) => variables.merge({ [name]: name })));
    expect(variables.custom).toEqual(names);
    expect(open().custom).toEqual(names);
  });
});

describe("a change is refused, and changes nothing,", () => {
  test.each([
    ["a name with an equals sign", { "A=B": "1" }, "invalid"],
    ["an empty name", { "": "1" }, "invalid"],
    ["a NUL byte in a value", { A: "se\0cret" }, "invalid"],
    ["a name of the daemon's", { SANDERLING_RUN_ID: "secret" }, "invalid"],
    ["a value no program could receive", { A: "secret".repeat(22_000) }, "too_large"],
    [
      "more names than the limit",
      Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`N${i}`, ""])),
      "too_large",
    ],
    [
      "more bytes than the limit",
      Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`N${i}`, "x".repeat(100_000)])),
      "too_large",
    ],
  ])("for %s", async (_, wanted: Record<string, string>, code) => {
    const variables = open();
    await variables.merge({ KEPT: "1" });
    for (const change of [() => variables.merge({ FINE: "1", ...wanted }), () => variables.replace(wanted)]) {
      const error = await refusal(change());
      expect(error.code).toBe(code as typeof error.code);
      expect(error.message).not.toContain("secret");
    }
    expect(variables.custom).toEqual(["KEPT"]);
    await variables.merge({ AFTER: "1" });
    expect(open().custom).toEqual(["KEPT", "AFTER"]);
  });

  test("when it cannot be kept", async () => {
    path = join(directory, "no", "such", "directory.json");
    const variables = open();
    expect((await refusal(variables.merge({ A: "1" }))).code).toBe("unavailable");
    expect(variables.custom).toEqual([]);
  });
});

describe("the file of the variables", () => {
  test("is the owner's alone, and the next daemon reads it, in whatever environment it is started", async () => {
    const variables = open();
    await variables.merge({ A: 'quote " and\nnewline ü', TOOLS: null });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const next = open({ PATH: "/other", TOOLS: "t", MORE: "m" });
    expect(next.visible).toEqual({ PATH: "/other", MORE: "m", A: 'quote " and\nnewline ü' });
    expect((await readdir(directory)).filter((name) => name.endsWith(".new"))).toEqual([]);
  });

  test.each([
    ["half a file", '{"version":1,"set":{"A":"1"'],
    ["another shape", '{"version":1,"set":{"A":1},"removed":[]}'],
    ["a newer version", '{"version":2,"set":{},"removed":[]}'],
    ["a forbidden name", '{"version":1,"set":{"A=B":"1"},"removed":[]}'],
    ["nothing", ""],
    ["null", "null"],
  ])("that holds %s is set aside with a notice", async (_, text) => {
    await writeFile(path, text);
    const variables = open();
    expect(variables.visible).toEqual(VISIBLE);
    expect(notices).toHaveLength(1);
    expect(await readFile(`${path}.damaged`, "utf8")).toBe(text);
    await variables.merge({ A: "1" });
    expect(open().custom).toEqual(["A"]);
  });

  test("is whole whenever the daemon is killed", async () => {
    for (let round = 0; round < 8; round++) {
      const child = Bun.spawn([process.execPath, WRITER, path], { stdout: "pipe", stderr: "inherit" });
      await child.stdout.getReader().read();
      // Killed at another moment of a write in each round; what is asserted holds at every one.
      for (let turn = 0; turn < round * 40; turn++) await stat(path);
      child.kill("SIGKILL");
      await child.exited;
      const { FIRST = "", SECOND, THIRD } = open({}).visible;
      expect([FIRST.length, notices]).toEqual([100_000, []]);
      expect(FIRST === SECOND && SECOND === THIRD).toBe(true);
    }
  }, 60_000);
});

describe("runs", () => {
  test("get the variables, under those of the request", async () => {
    await using test = await openEngine();
    const print = "echo $A $B $MPLBACKEND";
    await test.engine.variables.merge({ A: "sandbox", B: "sandbox" });
    const run = await outcome(test.sh(print, { env: { B: "request" } }));
    expect(run.stdout).toBe("sandbox request Agg\n");
    expect((await outcome(test.sh(print))).stdout).toBe("sandbox sandbox Agg\n");
  });

  test("find their programs in a PATH that was set", async () => {
    await using test = await openEngine();
    await writeFile(join(test.workspace, "bash"), "#!/bin/sh\necho mine\n", { mode: 0o755 });
    await test.engine.variables.merge({ PATH: `${test.workspace}:/usr/bin:/bin` });
    expect((await outcome(test.code("bash", "echo bash"))).stdout).toBe("mine\n");
    await test.engine.variables.replace({ ONLY: "1" });
    expect((await outcome(test.code("bash", "echo bash"))).stdout).toBe("bash\n");
  });

  test("are not told where a shell stood when it started the daemon", async () => {
    await using test = await openEngine({ inheritedEnvironment: { PWD: "/a", OLDPWD: "/b", _: "/c" } });
    const { stdout } = await outcome(test.engine.startCommand({ argv: ["/usr/bin/env"] }));
    expect(stdout).not.toMatch(/^(PWD|OLDPWD|_)=/m);
  });

  test("get no variable that was taken away", async () => {
    await using test = await openEngine({ inheritedEnvironment: { PROXY: "p", PATH: "/usr/bin:/bin" } });
    await test.engine.variables.merge({ PROXY: null });
    expect((await outcome(test.sh("echo [$PROXY]"))).stdout).toBe("[]\n");
  });
});
