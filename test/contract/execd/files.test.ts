import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { TEST_ACCESS_TOKEN, TestDaemon } from "../../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

interface Info {
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly modified_at: string;
  readonly created_at: string;
  readonly owner: string;
  readonly group: string;
  readonly mode: number;
}
interface Answer {
  readonly status: number;
  readonly text: string;
  readonly body: unknown;
  readonly headers: Headers;
}

const text = (pattern: string) => expect.stringContaining(pattern) as string;
const isRoot = process.getuid?.() === 0;
const fresh = () => mkdtemp(join(daemon.workspace, "files-"));
const query = (path: string | readonly string[], more: Record<string, string> = {}) => {
  const parameters = new URLSearchParams(more);
  for (const one of typeof path === "string" ? [path] : path) parameters.append("path", one);
  return parameters.toString();
};

async function call(method: string, path: string, body?: unknown, headers = {}): Promise<Answer> {
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const response = await daemon.execd(path, init);
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") ?? false;
  return {
    status: response.status,
    text,
    body: isJson ? JSON.parse(text) : undefined,
    headers: response.headers,
  };
}

const info = async (path: string) =>
  (await call("GET", `/files/info?${query(path)}`)).body as Record<string, Info>;
const infoOf = async (path: string) => (await info(path))[path];

/** What client libraries need of an answer without content: its length, told. */
function expectDone({ status, text, headers }: Answer): void {
  expect([text, status, headers.get("content-length")]).toEqual(["", 200, "0"]);
}

describe("GET /files/info", () => {
  test("tells every field of files, directories, links and others, keyed as requested", async () => {
    const directory = await fresh();
    await writeFile(join(directory, "file"), "12345");
    await chmod(join(directory, "file"), 0o640);
    await symlink("nowhere", join(directory, "link"));
    spawnSync("mkfifo", [join(directory, "fifo")]);
    const names = ["file", "link", "fifo", ""].map((name) => join(directory, name));
    const answer = await call("GET", `/files/info?${query([...names, `${directory}/x/../file`])}`);
    const found = answer.body as Record<string, Info>;
    expect(Object.keys(found)).toEqual([...names, `${directory}/x/../file`]);
    const [file, link, fifo, itself] = names.map((name) => found[name]);
    const stats = await stat(join(directory, "file"));
    expect(file).toMatchObject({ path: join(directory, "file"), type: "file", size: 5, mode: 640 });
    expect(Math.abs(Date.parse(file?.modified_at ?? "") - stats.mtimeMs)).toBeLessThan(1);
    expect(file?.modified_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    expect(Math.abs(Date.parse(file?.created_at ?? "") - stats.ctimeMs)).toBeLessThan(1);
    const owner = spawnSync("stat", ["-c", "%U:%G", join(directory, "file")])
      .stdout.toString()
      .trim();
    expect(`${file?.owner}:${file?.group}`).toBe(owner);
    expect(link).toMatchObject({ type: "symlink", size: 7 });
    expect(fifo).toMatchObject({ type: "other" });
    expect(itself).toMatchObject({ type: "directory", path: directory, mode: 700 });
  });

  test("no path gives an empty object; the first that is missing 404 and nothing else", async () => {
    expect((await call("GET", "/files/info")).body).toEqual({});
    const directory = await fresh();
    const answer = await call("GET", `/files/info?${query([directory, join(directory, "missing")])}`);
    expect(answer.status).toBe(404);
    expect(answer.body).toMatchObject({
      code: "FILE_NOT_FOUND",
      message: `File not found: ${join(directory, "missing")}`,
    });
  });

  test.skipIf(!isRoot)("an owner without a name is told as a number", async () => {
    const file = join(await fresh(), "file");
    await writeFile(file, "");
    await chown(file, 54_321, 54_322);
    expect(await infoOf(file)).toMatchObject({ owner: "54321", group: "54322" });
  });
});

describe("paths", () => {
  test("have the sandbox's variables and its home in them; a variable that is not set is named", async () => {
    const directory = await fresh();
    await writeFile(join(directory, "file"), "");
    const set = await daemon.fetch("/env", {
      method: "PATCH",
      body: JSON.stringify({ env_vars: { SET_BY_HOPX: directory, HOME: directory } }),
      headers: { "content-type": "application/json" },
    });
    expect(set.status).toBe(204);
    for (const path of ["$SET_BY_HOPX/file", "${SET_BY_HOPX}/./file", "~/file", "$HOME/file"])
      expect((await info(path))[path]).toMatchObject({ path: join(directory, "file") });
    const answer = await call("GET", `/files/info?${query("$ZZ_NOT/$AA_NOT/x")}`);
    expect([answer.status, answer.body]).toEqual([
      400,
      expect.objectContaining({
        code: "INVALID_REQUEST_BODY",
        message: "path references undefined environment variables: AA_NOT,ZZ_NOT",
      }),
    ]);
  });

  test("that are relative count from the workspace; a dollar before a digit is a character", async () => {
    await writeFile(join(daemon.workspace, "costs $5"), "");
    expect(await info("costs $5")).toMatchObject({
      "costs $5": { path: join(daemon.workspace, "costs $5") },
    });
  });

  test("into the daemon's private directory and kernel trees are refused by every route", async () => {
    const secret = join(daemon.directory, "data/private/variables.json");
    for (const [method, path, body] of [
      ["GET", `/files/info?${query(secret)}`],
      ["GET", `/files/download?${query(secret)}`],
      ["GET", `/files/download?${query("/proc/self/environ")}`],
      ["GET", `/files/search?${query("/proc/self")}`],
      ["GET", `/directories/list?${query(join(secret, ".."))}`],
      ["DELETE", `/files?${query(secret)}`],
      ["DELETE", `/directories?${query(join(daemon.directory, "data"))}`],
      ["POST", "/files/mv", [{ src: join(daemon.directory, "data"), dest: join(daemon.workspace, "d") }]],
      ["POST", "/files/permissions", { [secret]: { mode: 777 } }],
      ["POST", "/files/replace", { [secret]: { old: "a", new: "b" } }],
      ["POST", "/directories", { [join(secret, "../more")]: { mode: 777 } }],
    ] as const) {
      const answer = await call(method, path, body);
      expect([method, path, answer.status]).toEqual([method, path, 403]);
    }
    expect((await lstat(secret)).isFile()).toBe(true);
  });
});

describe("DELETE /files", () => {
  test("removes files, sockets' and links' names and leaves what links lead to; missing is fine", async () => {
    const directory = await fresh();
    await writeFile(join(directory, "kept"), "kept");
    await mkdir(join(directory, "sub"));
    await symlink("kept", join(directory, "link"));
    await symlink("nowhere", join(directory, "dangling"));
    await symlink("sub", join(directory, "to directory"));
    spawnSync("mkfifo", [join(directory, "fifo")]);
    const gone = ["link", "dangling", "to directory", "fifo", "never there", "no/parent"];
    expectDone(await call("DELETE", `/files?${query(gone.map((name) => join(directory, name)))}`));
    const left = (await call("GET", `/directories/list?${query(directory)}`)).body as Info[];
    expect(left.map(({ path }) => path)).toEqual([join(directory, "kept"), join(directory, "sub")]);
    expectDone(await call("DELETE", "/files"));
  });

  test("a directory is refused and stops the rest; what came before is gone", async () => {
    const directory = await fresh();
    for (const name of ["first", "last"]) await writeFile(join(directory, name), "");
    await mkdir(join(directory, "sub"));
    const paths = ["first", "sub", "last"].map((name) => join(directory, name));
    const answer = await call("DELETE", `/files?${query(paths)}`);
    expect([answer.status, (answer.body as { message: string }).message]).toEqual([
      400,
      text(`path is a directory: ${join(directory, "sub")}`),
    ]);
    expect((await infoOf(join(directory, "last")))?.type).toBe("file");
    expect((await call("GET", `/files/info?${query(join(directory, "first"))}`)).status).toBe(404);
  });
});

describe("POST /files/permissions", () => {
  test("mode digits are octal, links are followed, 0 and null leave alone", async () => {
    const directory = await fresh();
    await writeFile(join(directory, "file"), "");
    await symlink("file", join(directory, "link"));
    expectDone(await call("POST", "/files/permissions", { [join(directory, "link")]: { mode: 604 } }));
    expect((await stat(join(directory, "file"))).mode & 0o7777).toBe(0o604);
    const leave = { mode: 0, owner: null, group: "" };
    expectDone(await call("POST", "/files/permissions", { [join(directory, "file")]: leave }));
    expectDone(await call("POST", "/files/permissions", { [join(directory, "file")]: {} }));
    expect((await infoOf(join(directory, "file")))?.mode).toBe(604);
    expectDone(await call("POST", "/files/permissions", { [directory]: { mode: 1777 } }));
    expect((await stat(directory)).mode & 0o7777).toBe(0o1777);
    expect((await infoOf(directory))?.mode).toBe(777);
  });

  test.skipIf(!isRoot)("owners go by name and by number", async () => {
    const file = join(await fresh(), "file");
    await writeFile(file, "");
    expectDone(await call("POST", "/files/permissions", { [file]: { owner: "nobody", group: "nogroup" } }));
    expect(await infoOf(file)).toMatchObject({ owner: "nobody", group: "nogroup" });
    expectDone(await call("POST", "/files/permissions", { [file]: { owner: "54321", group: "0" } }));
    expect(await infoOf(file)).toMatchObject({ owner: "54321", group: "root" });
  });

  test.each([
    ["the mode of an octal literal", { mode: 493 }, 400],
    ["a user that is not there", { owner: "no such user" }, 400],
    ["a group that is not there", { group: "no such group" }, 400],
  ])("%s is refused with the reason, and nothing changes", async (_, permission, status) => {
    const file = join(await fresh(), "file");
    await writeFile(file, "", { mode: 0o644 });
    const answer = await call("POST", "/files/permissions", { [file]: permission });
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({
      code: expect.any(String) as string,
      message: expect.stringMatching(/755|no such/) as string,
    });
    expect((await infoOf(file))?.mode).toBe(644);
  });

  test("a file that is not there is 404", async () => {
    const answer = await call("POST", "/files/permissions", { [join(await fresh(), "x")]: { mode: 600 } });
    expect([answer.status, (answer.body as { code: string }).code]).toEqual([404, "FILE_NOT_FOUND"]);
  });
});

describe("POST /files/mv", () => {
  test("moves files, links and directories, making parents", async () => {
    const directory = await fresh();
    const at = (name: string) => join(directory, name);
    await writeFile(at("file"), "content");
    await symlink("elsewhere", at("link"));
    await mkdir(at("sub"));
    await writeFile(at("sub/inner"), "inner");
    const moves = [
      { src: at("file"), dest: at("new/deep/file") },
      { src: at("link"), dest: at("new/link") },
      { src: at("sub"), dest: at("new/sub") },
    ];
    expectDone(await call("POST", "/files/mv", moves));
    expect(await readFile(at("new/deep/file"), "utf8")).toBe("content");
    expect(await readlink(at("new/link"))).toBe("elsewhere");
    expect(await readFile(at("new/sub/inner"), "utf8")).toBe("inner");
    for (const { src } of moves) expect((await call("GET", `/files/info?${query(src)}`)).status).toBe(404);
  });

  test.each([
    ["file", "file"],
    ["file", "empty directory"],
    ["directory", "empty directory"],
    ["directory", "file"],
    ["file", "dangling link"],
  ])("a %s never replaces a %s", async (source, target) => {
    const directory = await fresh();
    const make = async (kind: string, name: string) => {
      const path = join(directory, name);
      if (kind === "file") await writeFile(path, name);
      else if (kind === "dangling link") await symlink("nowhere", path);
      else await mkdir(path);
      return path;
    };
    const [src, dest] = [await make(source, "src"), await make(target, "dest")];
    const answer = await call("POST", "/files/mv", [{ src, dest }]);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect((answer.body as { message: string }).message).toContain(
      `destination path already exists: ${dest}`,
    );
    expect((await infoOf(src))?.type).toBe(source);
    expect((await lstat(dest)).isSymbolicLink()).toBe(target === "dangling link");
  });

  test("what is not there is 404, a directory into itself 400", async () => {
    const directory = await fresh();
    const missing = await call("POST", "/files/mv", [
      { src: join(directory, "x"), dest: join(directory, "y") },
    ]);
    expect([missing.status, (missing.body as { code: string }).code]).toEqual([404, "FILE_NOT_FOUND"]);
    const inside = await call("POST", "/files/mv", [{ src: directory, dest: join(directory, "y") }]);
    expect(inside.status).toBe(400);
  });
});

describe("GET /files/search", () => {
  const search = async (path: string, pattern?: string) =>
    call("GET", `/files/search?${query(path, pattern === undefined ? {} : { pattern })}`);

  async function tree(): Promise<string> {
    const directory = await fresh();
    await mkdir(join(directory, "b/deep"), { recursive: true });
    await symlink("/", join(directory, "b/root"));
    for (const name of ["a.txt", "A.TXT", ".hidden", "b/a1.txt", "b/deep/[x].md", "b/deep/a2.txt", "é"])
      await writeFile(join(directory, name), "");
    return directory;
  }

  test.each([
    [undefined, [".hidden", "A.TXT", "a.txt", "b/a1.txt", "b/deep/[x].md", "b/deep/a2.txt", "b/root", "é"]],
    ["*.txt", ["a.txt", "b/a1.txt", "b/deep/a2.txt"]],
    ["a?.txt", ["b/a1.txt", "b/deep/a2.txt"]],
    ["[aA].*", ["A.TXT", "a.txt"]],
    ["a[!1].txt", ["b/deep/a2.txt"]],
    ["**/a.txt", ["a.txt"]],
    ["*.{md,TXT}", ["A.TXT", "b/deep/[x].md"]],
    ["\\[x\\].md", ["b/deep/[x].md"]],
    ["!(*.txt|root|*.md)", [".hidden", "A.TXT", "é"]],
    ["?", ["é"]],
    ["b/*.txt", []],
    ["deep", []],
  ])("%p is matched against whole names, at every depth, links not followed", async (pattern, names) => {
    const directory = await tree();
    const answer = await search(directory, pattern);
    expect((answer.body as Info[]).map(({ path }) => path.slice(directory.length + 1))).toEqual(names);
  });

  test("a file as root is its own candidate, a root that is missing 404, no root 400", async () => {
    const directory = await tree();
    const file = join(directory, "a.txt");
    expect((await search(file, "*.txt")).body).toMatchObject([{ path: file, type: "file", size: 0 }]);
    expect((await search(file, "*.md")).body).toEqual([]);
    expect((await search(join(directory, "b/root"), "**")).body).toMatchObject([{ type: "symlink" }]);
    expect((await search(join(directory, "x"))).status).toBe(404);
    expect((await call("GET", "/files/search?pattern=x")).body).toMatchObject({ code: "MISSING_QUERY" });
  });

  test.each(["[a", "{a,b", "!(a", "a\\"])("the pattern %p is refused with the reason", async (pattern) => {
    const answer = await search(await fresh(), pattern);
    expect([answer.status, (answer.body as { message: string }).message]).toEqual([400, text("pattern")]);
  });

  test("a pattern made to take for ever is answered at once", async () => {
    const directory = await fresh();
    await writeFile(join(directory, "a".repeat(255)), "");
    const answer = await search(directory, `${"*a".repeat(100)}*b`);
    expect(answer.body).toEqual([]);
  });
});

describe("POST /files/replace", () => {
  const replace = (body: object, more = "") => call("POST", `/files/replace${more}`, body);

  test("replaces every occurrence, byte for byte, and keeps mode and other bytes", async () => {
    const directory = await fresh();
    const file = join(directory, "file");
    await writeFile(file, Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from("one two one ünd one")]));
    await chmod(file, 0o751);
    await symlink("file", join(directory, "link"));
    expectDone(await replace({ [join(directory, "link")]: { old: "one", new: "1\n$&" } }));
    const content = await readFile(file);
    expect(content.subarray(0, 2)).toEqual(Buffer.from([0xff, 0xfe]));
    expect(content.subarray(2).toString()).toBe("1\n$& two 1\n$& ünd 1\n$&");
    expect((await stat(file)).mode & 0o777).toBe(0o751);
    expect(await readlink(join(directory, "link"))).toBe("file");
  });

  test("verbose counts; only the word true means it; a text that is not there changes nothing", async () => {
    const directory = await fresh();
    const [one, two] = [join(directory, "one"), join(directory, "two")];
    await writeFile(one, "aaaa");
    await writeFile(two, "b");
    const before = await stat(two);
    const answer = await replace(
      { [one]: { old: "aa", new: "a" }, [two]: { old: "x", new: "y" } },
      "?verbose=true",
    );
    expect(answer.body).toEqual({ [one]: { replacedCount: 2 }, [two]: { replacedCount: 0 } });
    expect((await stat(two)).mtimeMs).toBe(before.mtimeMs);
    expectDone(await replace({ [one]: { old: "a", new: "b" } }, "?verbose=false"));
    expectDone(await replace({ [one]: { old: "b" } }, "?verbose=1"));
    expect(await readFile(one, "utf8")).toBe("");
  });

  test("an occurrence that lies across the pieces of a large file is found", async () => {
    const file = join(await fresh(), "large");
    const piece = 256 * 1024;
    const text = `${"x".repeat(piece - 3)}needle${"y".repeat(2 * piece)}needle`;
    await writeFile(file, text);
    const answer = await replace({ [file]: { old: "needle", new: "pin" } }, "?verbose=true");
    expect(answer.body).toEqual({ [file]: { replacedCount: 2 } });
    expect(await readFile(file, "utf8")).toBe(text.replaceAll("needle", "pin"));
  });

  test("many at the same time lose nothing", async () => {
    const file = join(await fresh(), "shared");
    const words = Array.from({ length: 6 }, (_, index) => `word${index}`);
    await writeFile(file, words.join(" "));
    const answers = await Promise.all(
      words.map((word) => replace({ [file]: { old: word, new: word.toUpperCase() } }, "?verbose=true")),
    );
    expect(answers.map(({ body }) => body)).toEqual(words.map(() => ({ [file]: { replacedCount: 1 } })));
    expect(await readFile(file, "utf8")).toBe(words.join(" ").toUpperCase());
  });

  test("a missing file is 404 even with an empty text; an empty text 400; a directory 400", async () => {
    const directory = await fresh();
    const file = join(directory, "file");
    expect((await replace({ [file]: { old: "", new: "x" } })).status).toBe(404);
    await writeFile(file, "x");
    const empty = await replace({ [file]: { old: "", new: "x" } });
    expect([empty.status, empty.body]).toMatchObject([
      400,
      { code: "INVALID_REQUEST_BODY", message: "old content must not be empty" },
    ]);
    expect((await replace({ [directory]: { old: "a", new: "b" } })).status).toBe(400);
  });
});

describe("directories", () => {
  const list = (path: string, depth?: string) =>
    call("GET", `/directories/list?${query(path, depth === undefined ? {} : { depth })}`);

  test("are listed in order, before what is in them, to the depth asked for", async () => {
    const directory = await fresh();
    await mkdir(join(directory, "b/c/d"), { recursive: true });
    await symlink("..", join(directory, "b/up"));
    for (const name of ["a", ".z", "b/x", "b/c/y"]) await writeFile(join(directory, name), "");
    const names = async (depth?: string) =>
      ((await list(directory, depth)).body as Info[]).map(({ path }) => path.slice(directory.length + 1));
    expect(await names()).toEqual([".z", "a", "b"]);
    expect(await names("0")).toEqual([]);
    expect(await names("2")).toEqual([".z", "a", "b", "b/c", "b/up", "b/x"]);
    expect(await names("9")).toEqual([".z", "a", "b", "b/c", "b/c/d", "b/c/y", "b/up", "b/x"]);
  });

  test.each(["-1", "x", "1.5"])("the depth %p is refused", async (depth) => {
    expect((await list(await fresh(), depth)).body).toMatchObject({ code: "INVALID_REQUEST_BODY" });
  });

  test("a file, a link and nothing are no directory to list", async () => {
    const directory = await fresh();
    await writeFile(join(directory, "file"), "");
    await symlink(".", join(directory, "link"));
    expect((await list(join(directory, "file"))).status).toBe(400);
    const link = await list(join(directory, "link"));
    expect([link.status, (link.body as { message: string }).message]).toEqual([
      400,
      text("path is a symbolic link, refusing to traverse"),
    ]);
    expect((await list(join(directory, "nothing"))).status).toBe(404);
    expect((await call("GET", "/directories/list")).body).toMatchObject({ code: "MISSING_QUERY" });
  });

  test("are made with parents; mode and owner go to new ones only", async () => {
    const directory = await fresh();
    const made = join(directory, "new/deep");
    const permission = { mode: 750, ...(isRoot ? { owner: "nobody", group: "nogroup" } : {}) };
    expectDone(await call("POST", "/directories", { [made]: permission, [directory]: { mode: 777 } }));
    expect((await infoOf(made))?.mode).toBe(750);
    expect((await infoOf(join(directory, "new")))?.mode).toBe(755);
    expect((await infoOf(directory))?.mode).toBe(700);
    if (isRoot) {
      expect(await infoOf(join(directory, "new"))).toMatchObject({ owner: "nobody", group: "nogroup" });
      expect((await infoOf(directory))?.owner).toBe("root");
    }
    expectDone(await call("POST", "/directories", { [made]: null }));
    expect((await infoOf(made))?.mode).toBe(750);
  });

  test("are not made in the place of a file", async () => {
    const directory = await fresh();
    await writeFile(join(directory, "file"), "kept");
    for (const name of ["file", "file/below"]) {
      const answer = await call("POST", "/directories", { [join(directory, name)]: { mode: 755 } });
      expect([name, answer.status]).toEqual([name, 400]);
    }
    expect(await readFile(join(directory, "file"), "utf8")).toBe("kept");
  });

  test("are removed with everything in them, files and links too; missing is fine, the workspace stays", async () => {
    const directory = await fresh();
    await mkdir(join(directory, "tree/deep"), { recursive: true });
    await writeFile(join(directory, "tree/deep/file"), "");
    await writeFile(join(directory, "file"), "");
    await mkdir(join(directory, "kept"));
    await symlink("kept", join(directory, "link"));
    const gone = ["tree", "file", "link", "never there"].map((name) => join(directory, name));
    expectDone(await call("DELETE", `/directories?${query(gone)}`));
    expect(((await list(directory)).body as Info[]).map(({ path }) => path)).toEqual([
      join(directory, "kept"),
    ]);
    expect((await call("DELETE", `/directories?${query(daemon.workspace)}`)).status).toBe(403);
    expectDone(await call("DELETE", "/directories"));
  });
});

describe.skipIf(!isRoot)("files with the rights of another user", () => {
  const as = "/v1/filesystem/65534/65534";

  test("the kernel judges: what the user may read is read, what not is refused, and new files are the user's", async () => {
    const directory = await fresh();
    for (const path of [daemon.directory, directory]) await chmod(path, 0o755);
    await writeFile(join(directory, "secret"), "root's", { mode: 0o600 });
    await writeFile(join(directory, "open"), "all's", { mode: 0o644 });
    const open = await call("GET", `${as}/files/download?${query(join(directory, "open"))}`);
    expect(open.text).toBe("all's");
    for (const [method, path, body] of [
      ["GET", `${as}/files/download?${query(join(directory, "secret"))}`],
      ["POST", `${as}/files/permissions`, { [join(directory, "open")]: { mode: 777 } }],
      ["POST", `${as}/directories`, { [join(directory, "new")]: { mode: 755 } }],
      ["DELETE", `${as}/files?${query(join(directory, "open"))}`],
      ["POST", `${as}/files/mv`, [{ src: join(directory, "open"), dest: join(directory, "moved") }]],
      ["POST", `${as}/files/replace`, { [join(directory, "open")]: { old: "all", new: "my" } }],
    ] as const) {
      const answer = await call(method, path, body);
      expect([path, answer.status]).toEqual([path, 403]);
    }
    expect(await readFile(join(directory, "open"), "utf8")).toBe("all's");
    await chmod(directory, 0o777);
    expectDone(await call("POST", `${as}/directories`, { [join(directory, "new")]: { mode: 700 } }));
    expect(await infoOf(join(directory, "new"))).toMatchObject({
      owner: "nobody",
      group: "nogroup",
      mode: 700,
    });
  });

  test("a number that is none is refused", async () => {
    expect((await call("GET", "/v1/filesystem/4294967295/0/files/info")).status).toBe(400);
    expect((await call("GET", "/v1/filesystem/root/0/files/info")).status).toBe(400);
  });
});

test("every file route wants the access token", async () => {
  for (const path of ["/files/info", "/directories/list", "/v1/filesystem/0/0/files/info"]) {
    expect((await fetch(daemon.execdUrl + path)).status).toBe(401);
    const wrong = { "x-execd-access-token": `${TEST_ACCESS_TOKEN}x` };
    expect((await fetch(daemon.execdUrl + path, { headers: wrong })).status).toBe(401);
  }
});
