import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, rmdirSync } from "node:fs";
import { appendFile, chmod, mkdir, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { watchFiles, type WatchEvent, type WatchRequest } from "../../src/engine/files/watch.ts";
import { writeFile as writeThrough } from "../../src/engine/files/write.ts";
import { openEngine, refusal, until, type TestEngine } from "../support/engine.ts";

let at: TestEngine;
beforeEach(async () => {
  at = await openEngine();
});
afterEach(() => at[Symbol.asyncDispose]());

const inWorkspace = (...names: string[]) => join(at.workspace, ...names);

/** A watcher of the workspace, and what it has told so far in short. */
async function watch(request: Partial<WatchRequest> = {}) {
  const watcher = await watchFiles(at.engine.paths, {
    path: at.workspace,
    isRecursive: true,
    ignore: [],
    ...request,
  });
  const told: string[] = [];
  let isOver = false;
  const reading = (async () => {
    for await (const event of watcher.events()) told.push(inShort(event));
    isOver = true;
  })();
  return {
    watcher,
    told,
    get isOver() {
      return isOver;
    },
    saw: (...lines: string[]) => until(() => lines.every((line) => told.includes(line))),
    [Symbol.asyncDispose]: async () => {
      await watcher[Symbol.asyncDispose]();
      await reading;
    },
  };
}

/** For example `modified! a/b`: closed by who wrote it; `renamed a > b`; directories end in a slash. */
function inShort(event: WatchEvent): string {
  if (event.type === "overflow") return "overflow";
  if (event.type === "limit") return `limit ${name(event.path)}`;
  const { change } = event;
  const path = name(change.path) + (change.isDirectory ? "/" : "");
  if (change.kind === "renamed") return `renamed ${path} > ${name(change.to)}`;
  return `${change.kind}${change.kind === "modified" && change.isComplete ? "!" : ""} ${path}`;
}

function name(path: string): string {
  return path.replace(`${at.workspace}/`, "");
}

describe("a watcher tells", () => {
  test("what is made, written, closed and deleted, in order for each path", async () => {
    await using watching = await watch();
    await writeFile(inWorkspace("a"), "one");
    await watching.saw("modified! a");
    await appendFile(inWorkspace("a"), "two");
    await unlink(inWorkspace("a"));
    await watching.saw("deleted a");
    expect(watching.told.slice(0, 3)).toEqual(["created a", "modified a", "modified! a"]);
    expect(watching.told.at(-1)).toBe("deleted a");
  });

  test("the same of a file that is put in its place when it is whole", async () => {
    await using watching = await watch();
    const plain = { mode: undefined, overwrite: true, precondition: undefined };
    const write = (text: string) =>
      writeThrough(at.engine.paths, { path: inWorkspace("a"), ...plain }, [new TextEncoder().encode(text)]);
    await write("one");
    await watching.saw("modified! a");
    expect(watching.told).toEqual(["created a", "modified a", "modified! a"]);
    await write("two");
    await until(() => watching.told.length === 5);
    expect(watching.told.slice(3)).toEqual(["modified a", "modified! a"]);
  });

  test("what happens in directories made later, also what was in them before they could be watched", async () => {
    await using watching = await watch();
    await mkdir(inWorkspace("new/deep/er"), { recursive: true });
    await writeFile(inWorkspace("new/deep/er/file"), "x");
    await watching.saw(
      "created new/",
      "created new/deep/",
      "created new/deep/er/",
      "created new/deep/er/file",
    );
    await writeFile(inWorkspace("new/deep/later"), "x");
    await watching.saw("modified! new/deep/later");
  });

  test("renames as such, of files and of directories whose content is watched on", async () => {
    await mkdir(inWorkspace("from/below"), { recursive: true });
    await writeFile(inWorkspace("old"), "x");
    await writeFile(inWorkspace("other"), "x");
    await using watching = await watch();
    await rename(inWorkspace("old"), inWorkspace("from/new"));
    await watching.saw("renamed old > from/new", "created from/new");
    await rename(inWorkspace("from/new"), inWorkspace("other"));
    await watching.saw("renamed from/new > other", "modified! other");
    await rename(inWorkspace("from"), inWorkspace("to"));
    await watching.saw("renamed from/ > to", "created to/");
    await writeFile(inWorkspace("to/below/file"), "x");
    await watching.saw("created to/below/file");
    expect(watching.told.filter((line) => line.startsWith("deleted"))).toEqual([]);
  });

  test("what is moved out as deleted, and what is moved in as created with all in it", async () => {
    const outside = join(at.home, "outside");
    await mkdir(join(outside, "in"), { recursive: true });
    await writeFile(join(outside, "in/file"), "x");
    await using watching = await watch();
    await rename(outside, inWorkspace("moved"));
    await watching.saw("created moved/", "created moved/in/", "created moved/in/file");
    await rename(inWorkspace("moved"), outside);
    await watching.saw("deleted moved/");
    await writeFile(join(outside, "in/unseen"), "x");
    await writeFile(inWorkspace("end"), "x");
    await watching.saw("created end");
    expect(watching.told.some((line) => line.includes("unseen"))).toBe(false);
  });

  test("attributes, and nothing of what is ignored or behind a link", async () => {
    await mkdir(inWorkspace("node_modules/deep"), { recursive: true });
    await mkdir(join(at.home, "elsewhere"));
    await symlink(join(at.home, "elsewhere"), inWorkspace("link"));
    await writeFile(inWorkspace("a.txt"), "x");
    await using watching = await watch({ ignore: ["node_modules", "*.log", "!keep.log"] });
    expect(watching.watcher.directories).toBe(1);
    await writeFile(inWorkspace("node_modules/deep/x"), "x");
    await writeFile(join(at.home, "elsewhere/x"), "x");
    await writeFile(inWorkspace("b.log"), "x");
    await writeFile(inWorkspace("keep.log"), "x");
    await chmod(inWorkspace("a.txt"), 0o600);
    await watching.saw("modified a.txt", "modified! keep.log");
    expect(watching.told).toEqual([
      "created keep.log",
      "modified keep.log",
      "modified! keep.log",
      "modified a.txt",
    ]);
  });

  test("one file, or one directory without those below it", async () => {
    await mkdir(inWorkspace("below"));
    await writeFile(inWorkspace("one"), "x");
    await using file = await watch({ path: inWorkspace("one") });
    await using flat = await watch({ isRecursive: false });
    await writeFile(inWorkspace("below/unseen"), "x");
    await writeFile(inWorkspace("two"), "x");
    await writeFile(inWorkspace("one"), "y");
    await file.saw("modified! one");
    await flat.saw("modified! one", "modified! two");
    expect(file.told).toEqual(["modified one", "modified! one"]);
    expect(flat.told.some((line) => line.includes("unseen"))).toBe(false);
  });

  test("that the root is gone, and ends", async () => {
    await mkdir(inWorkspace("root"));
    await using watching = await watch({ path: inWorkspace("root") });
    await rm(inWorkspace("root"), { recursive: true });
    await until(() => watching.isOver);
    expect(watching.told).toEqual(["deleted root/"]);
  });
});

test("what cannot be watched is refused", async () => {
  const request = { isRecursive: true, ignore: [] };
  const code = async (path: string) =>
    (await refusal(watchFiles(at.engine.paths, { ...request, path }))).code;
  expect(await code(inWorkspace("nothing"))).toBe("not_found");
  expect(await code("/proc")).toBe("denied");
  expect(await code(join(at.dataDirectory, "private"))).toBe("denied");
});

/** Writes many files in a program of its own, in the workspace. */
async function writeMany(program: string): Promise<void> {
  const script = `const { writeFileSync: write, mkdirSync: mkdir } = require("node:fs"); ${program}`;
  const child = Bun.spawn([process.execPath, "-e", script], { cwd: at.workspace });
  expect(await child.exited).toBe(0);
}

test("a burst of 10,000 files in a tree of 20,000 is told whole, or told as lost", async () => {
  await writeMany(
    'for (let d = 0; d < 200; d++) { mkdir("d" + d); for (let f = 0; f < 100; f++) write(`d${d}/f${f}`, ""); }',
  );
  await using watching = await watch();
  expect(watching.watcher.directories).toBe(201);
  await writeMany('for (let i = 0; i < 10000; i++) write(`d${i % 100}/new${i}`, "x"); write("end", "x")');
  await watching.saw("modified! end");
  const told = (pattern: RegExp) => new Set(watching.told.filter((line) => pattern.test(line))).size;
  expect(told(/^created d\d+\/new/)).toBe(10_000);
  if (!watching.told.includes("overflow")) expect(told(/^modified! d\d+\/new/)).toBe(10_000);
});

test("when the kernel drops events that is told, and names are right afterwards", async () => {
  await writeMany('write("a", ""); write("b", ""); mkdir("goes")');
  await using watching = await watch();
  // More than the kernel's queue holds, while this thread reads nothing.
  for (let i = 0; i < 10_000; i++) {
    appendFileSync(inWorkspace("a"), "x");
    appendFileSync(inWorkspace("b"), "x");
  }
  mkdirSync(inWorkspace("late"));
  rmdirSync(inWorkspace("goes"));
  await watching.saw("overflow", "created late/", "deleted goes/");
  await writeFile(inWorkspace("late/file"), "x");
  await watching.saw("created late/file");
});
