import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync, symlinkSync } from "node:fs";
import { lstat, readFile as read, writeFile as write } from "node:fs/promises";
import { join } from "node:path";
import { pack } from "tar-stream";
import { EngineError } from "../../src/engine/error.ts";
import { unpackArchive } from "../../src/engine/files/archive-unpack.ts";
import { makeDirectory } from "../../src/engine/files/directories.ts";
import { findEntry, listDirectory } from "../../src/engine/files/list.ts";
import { readFile } from "../../src/engine/files/read.ts";
import { removeEntry } from "../../src/engine/files/remove.ts";
import { writeFile, type WriteRequest } from "../../src/engine/files/write.ts";
import { openEngine, ready, refusal, type TestEngine } from "../support/engine.ts";

const isRoot = process.getuid?.() === 0;
const bytes = (text: string) => [new TextEncoder().encode(text)];
const text = (path: string) => read(path, "utf8");

let host: TestEngine;
const at = (name: string) => join(host.workspace, name);
const put = (path: string, content: string, more: Partial<WriteRequest> = {}) =>
  writeFile(
    host.engine.paths,
    { path, mode: undefined, overwrite: true, precondition: undefined, ...more },
    bytes(content),
  );
const take = async (path: string, first?: number, last?: number) => {
  const range = first === undefined ? undefined : { first, last };
  const file = await readFile(host.engine.paths, path, { range, maxBytes: 1000 });
  return { text: Buffer.from(file.bytes).toString(), ...file.lines };
};
const list = (path: string, depth = 1, limit = 1000) =>
  listDirectory(host.engine.paths, { path, depth, limit });

beforeEach(async () => {
  host = await openEngine();
});
afterEach(() => host[Symbol.asyncDispose]());

describe("paths", () => {
  test("what cannot be a path is refused", async () => {
    for (const path of ["", "a\0b", "x".repeat(256), "é".repeat(128), "a/".repeat(2100)])
      expect((await refusal(take(path))).code).toBe("invalid");
    expect((await put("x".repeat(255), "longest")).size).toBe(7);
  });

  test("with roots, nothing outside of them can be touched, by no way", async () => {
    const outside = host.home;
    const root = at("root");
    mkdirSync(root);
    await using rooted = await openEngine({ workspace: root, allowedRoots: [root] });
    const { paths } = rooted.engine;
    await write(join(outside, "secret"), "x");
    symlinkSync(outside, join(root, "door"));
    symlinkSync(join(outside, "secret"), join(root, "key"));
    const ways = ["../x", "/etc/passwd", "door/secret", "door/new/file", "key", `${root}/../elsewhere`];
    for (const path of ways) {
      const request = { path, mode: undefined, overwrite: true, precondition: undefined };
      const tries = [
        () => readFile(paths, path, { maxBytes: 9 }),
        () => writeFile(paths, request, bytes("y")),
        () => removeEntry(paths, path),
        () => makeDirectory(paths, path),
        () => listDirectory(paths, { path, depth: 1, limit: 9 }),
        () => findEntry(paths, path),
      ];
      for (const attempt of tries) expect(await refusal(attempt())).toMatchObject({ code: "denied" });
    }
    expect(await text(join(outside, "secret"))).toBe("x");
  });

  test("special files are refused at once, for reading and for writing", async () => {
    spawnSync("mkfifo", [at("fifo")]);
    symlinkSync("fifo", at("to-fifo"));
    symlinkSync("loop", at("loop"));
    const expected: [string, string, RegExp][] = [
      ["fifo", "invalid", /it is a FIFO$/],
      ["to-fifo", "invalid", /it is a FIFO$/],
      ["/dev/zero", "invalid", /it is a device$/],
      ["loop", "invalid", /too many levels of symbolic links$/],
      ["/proc/self/environ", "denied", /a door into the kernel$/],
      ["/sys/kernel/notes", "denied", /a door into the kernel$/],
    ];
    for (const [path, code, message] of expected) {
      for (const attempt of [() => take(path), () => put(path, "x")]) {
        const error = await refusal(attempt());
        expect({ path, code: error.code }).toEqual({ path, code: code as never });
        expect(error.message).toMatch(message);
      }
    }
    expect((await refusal(put("/proc/new/file", "x"))).code).toBe("denied");
    expect((await refusal(take("."))).message).toEndWith("it is a directory");
    expect((await refusal(put(".", "x"))).message).toEndWith("it is a directory");
    expect((await refusal(put("/", "x"))).code).toBe("invalid");
  });
});

describe("writing", () => {
  test("makes parents, and keeps mode and owner of a file that is there", async () => {
    await put("a/b/c.txt", "one");
    expect(statSync(at("a/b/c.txt")).mode & 0o777).toBe(0o644);
    chmodSync(at("a/b/c.txt"), 0o750);
    if (isRoot) chownSync(at("a/b/c.txt"), 12345, 54321);
    await put("a/b/c.txt", "two");
    const after = statSync(at("a/b/c.txt"));
    expect(after.mode & 0o777).toBe(0o750);
    if (isRoot) expect([after.uid, after.gid]).toEqual([12345, 54321]);
    await put("a/b/c.txt", "three", { mode: 0o600 });
    expect(statSync(at("a/b/c.txt")).mode & 0o777).toBe(0o600);
    expect(readdirSync(at("a/b"))).toEqual(["c.txt"]);
  });

  test("goes through a symbolic link, and replaces one that leads nowhere", async () => {
    await put("real", "old");
    symlinkSync("real", at("link"));
    symlinkSync("nothing/there", at("dangling"));
    await put("link", "new");
    expect(await text(at("real"))).toBe("new");
    expect((await lstat(at("link"))).isSymbolicLink()).toBe(true);
    await put("dangling", "x");
    expect((await lstat(at("dangling"))).isFile()).toBe(true);
  });

  test("of two that must not overwrite, one wins; the loser leaves nothing", async () => {
    const tries = Array.from({ length: 20 }, (_, i) => put("new", `writer ${i}`, { overwrite: false }));
    const results = await Promise.allSettled(tries);
    const lost = results.filter((result) => result.status === "rejected");
    expect(lost).toHaveLength(19);
    for (const { reason } of lost) expect(reason).toMatchObject({ code: "exists" });
    expect(readdirSync(host.workspace)).toEqual(["new"]);
  });

  test("of many who expect the same version, one wins", async () => {
    const { etag } = await put("shared", "0");
    const tries = Array.from({ length: 20 }, (_, i) =>
      put("shared", `writer ${i}`, { precondition: (current) => current === etag }),
    );
    const results = await Promise.allSettled(tries);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const result of results)
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "changed" });
  });

  test("that fails in the middle leaves the old content and nothing else", async () => {
    await put("file", "old");
    async function* broken() {
      yield* bytes("new, but not wh");
      await Promise.resolve();
      throw new Error("the client has gone");
    }
    const request = { path: "file", mode: undefined, overwrite: true, precondition: undefined };
    const writing = writeFile(host.engine.paths, request, broken());
    expect(await writing.catch(String)).toBe("Error: the client has gone");
    expect(await text(at("file"))).toBe("old");
    expect(readdirSync(host.workspace)).toEqual(["file"]);
  });

  test.if(isRoot)("a full disk is told, and the old content stays", async () => {
    mkdirSync(at("small"));
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", at("small")]).status !== 0) return;
    try {
      await put("small/file", "old");
      const error = await refusal(put("small/file", "x".repeat(2 * 2 ** 20)));
      expect(error).toMatchObject({ code: "too_large", details: { reason: "ENOSPC" } });
      expect(error.message).toEndWith("no space left on the device");
      expect(await text(at("small/file"))).toBe("old");
      expect(readdirSync(at("small"))).toEqual(["file"]);
    } finally {
      spawnSync("umount", [at("small")]);
    }
  });

  test.if(isRoot)(
    "a disk that fills while an archive is unpacked is told, and nothing is changed",
    async () => {
      mkdirSync(at("small"));
      if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", at("small")]).status !== 0) return;
      try {
        await put("small/file", "old");
        const tar = pack();
        for (const name of ["file", "dir/one", "dir/two"]) tar.entry({ name }, "x".repeat(2 ** 19));
        tar.finalize();
        const request = { path: "small", overwrite: true, maxEntries: 10, maxBytes: 2 ** 30 };
        const unpacking = unpackArchive(host.engine.paths, request, tar as AsyncIterable<Uint8Array>);
        expect(await refusal(unpacking)).toMatchObject({ code: "too_large", details: { reason: "ENOSPC" } });
        expect(await text(at("small/file"))).toBe("old");
        expect(readdirSync(at("small"))).toEqual(["file"]);
        await put("small/again", "there is room again".repeat(1000));
      } finally {
        spawnSync("umount", [at("small")]);
      }
    },
  );

  test.if(isRoot)("a read-only file system is told", async () => {
    mkdirSync(at("fixed"));
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "ro", "none", at("fixed")]).status !== 0) return;
    try {
      const attempts = [() => put("fixed/file", "x"), () => makeDirectory(host.engine.paths, "fixed/a")];
      for (const attempt of attempts)
        expect((await refusal(attempt())).message).toEndWith("the file system is read-only");
      expect((await refusal(removeEntry(host.engine.paths, "fixed"))).code).toBe("invalid");
    } finally {
      spawnSync("umount", [at("fixed")]);
    }
  });
});

describe("reading", () => {
  test("lines are counted as editors count them", async () => {
    await put("lines", "one\ntwo\nthree");
    expect(await take("lines", 2, 2)).toEqual({ text: "two\n", first: 2, last: 2, hasMore: true });
    expect(await take("lines", 2)).toEqual({ text: "two\nthree", first: 2, last: 3, hasMore: false });
    expect(await take("lines", 7, 9)).toEqual({ text: "", first: 7, last: 6, hasMore: false });
    await put("lines", "one\n\n");
    expect(await take("lines", 1, 5)).toEqual({ text: "one\n\n", first: 1, last: 2, hasMore: false });
    await put("lines", "");
    expect(await take("lines", 1)).toEqual({ text: "", first: 1, last: 0, hasMore: false });
  });

  test("a line that goes over pieces of the file is one line", async () => {
    await write(at("long"), `${"a".repeat(300_000)}\nshort\n${"b".repeat(600_000)}\nend`);
    expect(await take("long", 2, 2)).toMatchObject({ text: "short\n" });
    expect(await take("long", 4)).toMatchObject({ text: "end", hasMore: false });
    expect(await refusal(take("long", 1, 1))).toMatchObject({ code: "too_large" });
    expect(await refusal(take("long"))).toMatchObject({ code: "too_large" });
  });
});

describe("directories", () => {
  test("names with newlines, quotes, other scripts and invalid UTF-8 are listed and can be removed", async () => {
    const odd = ["new\nline", `quo"te's`, "naïve-文件-🎉", " lead", "tab\t", "%2F", "back\\slash"];
    for (const name of odd) await put(name, "x");
    spawnSync("python3", ["-c", `open(${JSON.stringify(at("bad"))}.encode() + b"\\xff", "w")`]);
    const names = (await list(".")).entries.map(({ name }) => name);
    expect(names.sort()).toEqual([...odd, "bad\ufffd"].sort());
    for (const name of odd) expect((await take(name)).text).toBe("x");
    await put("tree/file", "x");
    spawnSync("python3", ["-c", `open(${JSON.stringify(at("tree/bad"))}.encode() + b"\\xff", "w")`]);
    await removeEntry(host.engine.paths, "tree");
    expect(await findEntry(host.engine.paths, "tree")).toBeUndefined();
  });

  test("a tree is listed by depth, with a limit, and links are not followed", async () => {
    await put("a/b/c/d", "x");
    symlinkSync("..", at("a/up"));
    const names = async (depth: number, limit?: number) =>
      (await list(".", depth, limit)).entries.map(({ path }) => path.slice(host.workspace.length + 1));
    expect(await names(1)).toEqual(["a"]);
    expect(await names(2)).toEqual(["a", "a/b", "a/up"]);
    expect(await names(9)).toEqual(["a", "a/b", "a/b/c", "a/b/c/d", "a/up"]);
    expect(await names(9, 2)).toEqual(["a", "a/b"]);
    expect((await list(".", 9, 2)).truncated).toBe(true);
    expect((await list(".", 9, 5)).truncated).toBe(false);
    expect((await list("a")).entries[1]).toMatchObject({ type: "symlink" });
    expect((await refusal(list("a/b/c/d"))).code).toBe("invalid");
    expect((await refusal(list("none"))).code).toBe("not_found");
  });

  test("permissions are told as ls tells them", async () => {
    for (const [mode, shown] of [
      [0o644, "rw-r--r--"],
      [0o4755, "rwsr-xr-x"],
      [0o2644, "rw-r-Sr--"],
      [0o1777, "rwxrwxrwt"],
    ] as const) {
      await put("file", "x", { mode });
      expect((await findEntry(host.engine.paths, "file"))?.permissions).toBe(shown);
    }
  });

  test("100,000 entries are listed and removed", async () => {
    const made = spawnSync(
      "python3",
      [
        "-c",
        `import os\nos.mkdir("many")\nfor i in range(100000): os.close(os.open(f"many/{i}", os.O_CREAT))`,
      ],
      { cwd: host.workspace },
    );
    expect(made.status).toBe(0);
    expect((await list("many", 1, 200_000)).entries).toHaveLength(100_000);
    await removeEntry(host.engine.paths, "many");
    expect(readdirSync(host.workspace)).toEqual([]);
  }, 60_000);

  test("making one that is there is fine; a file in its place is not", async () => {
    await using first = await makeDirectory(host.engine.paths, "a/b/c/");
    await using again = await makeDirectory(host.engine.paths, "a/b/c");
    expect(again.realPath).toBe(first.realPath);
    await put("file", "x");
    expect((await refusal(makeDirectory(host.engine.paths, "file"))).code).toBe("invalid");
    expect((await refusal(makeDirectory(host.engine.paths, "file/below"))).code).toBe("invalid");
    expect((await refusal(put("file/below", "x"))).message).toContain("/file/below");
  });
});

describe("removing", () => {
  test("the workspace and what holds it are refused, also by a link", async () => {
    symlinkSync("/", at("root"));
    for (const path of ["/", ".", "..", `root${host.workspace}`])
      expect(await refusal(removeEntry(host.engine.paths, path))).toMatchObject({ code: "denied" });
    expect(await refusal(removeEntry(host.engine.paths, "none"))).toBeInstanceOf(EngineError);
  });

  test("a tree that is deeper than descriptors are held for is removed", async () => {
    const deep = "d/".repeat(700);
    mkdirSync(at(`tree/${deep}`), { recursive: true });
    await write(at(`tree/${deep}file`), "x");
    await removeEntry(host.engine.paths, "tree");
    expect(readdirSync(host.workspace)).toEqual([]);
  });

  test("whoever puts a link in a directory's place meanwhile leads the daemon nowhere else", async () => {
    const outside = join(host.home, "outside");
    mkdirSync(outside);
    for (let i = 0; i < 50; i++) await write(join(outside, String(i)), "x");
    const swap = `mkdir -p t/d; touch t/d/a t/d/b; mv t/d t/old; ln -s ${outside} t/d; rm -rf t/old; rm -f t/d`;
    await using swapping = await host.sh(`echo READY $$; while :; do ${swap}; done 2>/dev/null`);
    await ready(swapping);
    for (let round = 0; round < 300; round++)
      await removeEntry(host.engine.paths, "t").catch((error: unknown) =>
        expect(error).toBeInstanceOf(EngineError),
      );
    expect(readdirSync(outside)).toHaveLength(50);
  });

  test("what holds the daemon's own data is refused", async () => {
    for (const path of [host.dataDirectory, join(host.dataDirectory, "private/staged")])
      expect(await refusal(removeEntry(host.engine.paths, path))).toMatchObject({ code: "denied" });
  });

  test("a link is removed and not what it leads to", async () => {
    await put("dir/file", "x");
    symlinkSync("dir", at("link"));
    await removeEntry(host.engine.paths, "link");
    expect(await text(at("dir/file"))).toBe("x");
  });
});
