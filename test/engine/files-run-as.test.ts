import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { readFile as read } from "node:fs/promises";
import { join } from "node:path";
import { pack } from "tar-stream";
import { packDirectory } from "../../src/engine/files/archive-pack.ts";
import { unpackArchive } from "../../src/engine/files/archive-unpack.ts";
import { makeDirectory } from "../../src/engine/files/directories.ts";
import { findEntry, listDirectory } from "../../src/engine/files/list.ts";
import { readFile } from "../../src/engine/files/read.ts";
import { removeEntry } from "../../src/engine/files/remove.ts";
import { search } from "../../src/engine/files/search.ts";
import type { SearchQuery } from "../../src/engine/files/search-query.ts";
import { writeFile } from "../../src/engine/files/write.ts";
import { findUser, type RunUser } from "../../src/engine/user.ts";
import { openEngine, refusal, type TestEngine } from "../support/engine.ts";

const it = test.if(process.getuid?.() === 0);

let host: TestEngine;
let user: RunUser;
const at = (name: string) => join(host.workspace, name);
const text = (path: string) => read(path, "utf8");

beforeAll(async () => {
  if (process.getuid?.() !== 0) return;
  // Without ripgrep, which would run as the user anyway.
  host = await openEngine({ runAs: "nobody", inheritedEnvironment: { PATH: "/usr/sbin" } });
  user = findUser("nobody");
  chmodSync(join(host.workspace, ".."), 0o755);
  chownSync(host.workspace, user.uid, user.gid);
  mkdirSync(at("closed"), { mode: 0o700 });
  writeFileSync(at("closed/secret"), "needle");
  writeFileSync(at("unreadable"), "needle", { mode: 0o600 });
  mkdirSync(at("fixed"), { mode: 0o755 });
  writeFileSync(at("fixed/file"), "needle", { mode: 0o644 });
  writeFileSync(at("root's"), "needle", { mode: 0o644 });
  mkdirSync(at("sticky"));
  chmodSync(at("sticky"), 0o1777);
  writeFileSync(at("sticky/root's"), "needle", { mode: 0o666 });
  chmodSync(at("sticky/root's"), 0o666);
});
afterAll(async () => {
  if (process.getuid?.() === 0) await host[Symbol.asyncDispose]();
});

const put = (path: string, mode?: number) =>
  writeFile(host.engine.paths, { path, mode, overwrite: true, precondition: undefined }, [
    new TextEncoder().encode("new"),
  ]);
const get = (path: string) => readFile(host.engine.paths, path, { maxBytes: 100 });
const list = (path: string, depth = 1) => listDirectory(host.engine.paths, { path, depth, limit: 1000 });
const owner = (path: string) => [statSync(at(path)).uid, statSync(at(path)).gid];

async function unpack(path: string, names: readonly string[]) {
  const tar = pack();
  for (const name of names) {
    if (name.endsWith("/")) tar.entry({ name, type: "directory" });
    else if (name.includes("->")) {
      const [from = "", to = ""] = name.split("->");
      tar.entry({ name: from, type: "symlink", linkname: to });
    } else tar.entry({ name, mode: 0o640 }, "unpacked");
  }
  tar.finalize();
  const limits = { maxEntries: 100, maxBytes: 2 ** 20 };
  return unpackArchive(
    host.engine.paths,
    { path, overwrite: true, ...limits },
    tar as AsyncIterable<Uint8Array>,
  );
}

describe("files under run-as (needs root)", () => {
  it("belong to the user when they are made, with their directories, and so does what is unpacked", async () => {
    await put("made/deep/file");
    await using made = await makeDirectory(host.engine.paths, "made/other/directory");
    expect(made.path).toEndWith("/made/other/directory");
    await unpack("unpacked", ["one", "sub/", "sub/two", "implied/three", "link->one"]);
    for (const path of [
      "made",
      "made/deep",
      "made/deep/file",
      "made/other/directory",
      "unpacked",
      "unpacked/one",
    ])
      expect([path, ...owner(path)]).toEqual([path, user.uid, user.gid]);
    for (const path of ["unpacked/sub", "unpacked/sub/two", "unpacked/implied", "unpacked/implied/three"])
      expect([path, ...owner(path)]).toEqual([path, user.uid, user.gid]);
    expect(readdirSync(at("unpacked")).toSorted()).toEqual(["implied", "link", "one", "sub"]);
  });

  it("take over the group of a directory that gives it, as for the user's own programs", async () => {
    mkdirSync(at("group"));
    chownSync(at("group"), user.uid, 12_345);
    chmodSync(at("group"), 0o2775);
    await put("group/file");
    expect(owner("group/file")).toEqual([user.uid, 12_345]);
  });

  it("that the user may not read are not read, listed, searched or archived", async () => {
    for (const attempt of [
      () => get("unreadable"),
      () => get("closed/secret"),
      () => list("closed"),
      () => findEntry(host.engine.paths, "closed/secret"),
      () => packDirectory(host.engine.paths, "closed"),
    ])
      expect(await refusal(attempt())).toMatchObject({ code: "denied", details: { reason: "EACCES" } });
    symlinkSync(at("closed/secret"), at("door"));
    expect((await refusal(get("door"))).code).toBe("denied");
    const inTree = (await list(".", 9)).entries.map(({ path }) => path);
    expect(inTree).toContain(at("closed"));
    expect(inTree).not.toContain(at("closed/secret"));
    const query: Omit<SearchQuery, "path"> = {
      pattern: "needle",
      isRegex: false,
      letterCase: "sensitive",
      include: [],
      exclude: [],
      context: 0,
      hidden: true,
      ignored: true,
      maxResults: 99,
      maxLineBytes: 99,
      maxTextBytes: 999,
      timeoutMs: 9000,
    };
    const found = await search({ ...query, path: "." }, host.engine, new AbortController().signal);
    expect(found.engine).toBe("builtin");
    expect(found.matches.map(({ path }) => path)).toEqual([
      at("fixed/file"),
      at("root's"),
      at("sticky/root's"),
    ]);
    for (const path of ["unreadable", "closed"]) {
      const answer = await search({ ...query, path }, host.engine, new AbortController().signal).catch(
        (error: unknown) => error,
      );
      expect(answer).toMatchObject({ code: "denied" });
    }
  });

  it("that the user may not read are told as missing in an archive", async () => {
    await put("mixed/readable");
    writeFileSync(at("mixed/unreadable"), "x", { mode: 0o600 });
    mkdirSync(at("mixed/closed"), { mode: 0o700 });
    const archive = await packDirectory(host.engine.paths, "mixed");
    expect([archive.entries, archive.skipped]).toEqual([
      1,
      {
        count: 2,
        first: [
          { path: "closed", reason: "unreadable" },
          { path: "unreadable", reason: "unreadable" },
        ],
      },
    ]);
    expect((await new Response(archive.bytes).bytes()).byteLength).toBeGreaterThan(0);
  });

  it("elsewhere on the machine are open as far as they are to the user's programs", async () => {
    expect(await findEntry(host.engine.paths, "/etc/passwd")).toMatchObject({ type: "file" });
    expect((await refusal(get("/non-existent.txt"))).code).toBe("not_found");
    for (const attempt of [() => get("/etc/shadow"), () => put("/etc/planted"), () => put("/root/planted")])
      expect((await refusal(attempt())).code).toBe("denied");
  });

  it("that the user may not change stay as they are", async () => {
    for (const [what, attempt] of [
      ["a file of root's", () => put("root's")],
      ["a new file in a directory of root's", () => put("fixed/new")],
      ["a file in a directory of root's", () => put("fixed/file")],
      ["a directory below one of root's", () => makeDirectory(host.engine.paths, "fixed/a/b")],
      ["an archive into a directory of root's", () => unpack("fixed", ["x"])],
      ["an archive over a directory of root's", () => unpack(".", ["fixed/x"])],
      ["removal in a directory of root's", () => removeEntry(host.engine.paths, "fixed/file")],
      ["removal of a tree of root's", () => removeEntry(host.engine.paths, "closed")],
      ["another's file in a sticky directory", () => put("sticky/root's")],
      ["its removal", () => removeEntry(host.engine.paths, "sticky/root's")],
    ] as const)
      expect([what, (await refusal(attempt())).code]).toEqual([what, "denied"]);
    for (const path of ["root's", "fixed/file", "sticky/root's", "closed/secret"])
      expect(await text(at(path))).toBe("needle");
    expect(readdirSync(at("fixed"))).toEqual(["file"]);
    expect(readdirSync(at("sticky"))).toEqual(["root's"]);
    expect(readdirSync(host.workspace).filter((name) => name.startsWith(".sanderling"))).toEqual([]);
  });

  it("of another that the user may change become the user's, and lend nobody root's rights", async () => {
    writeFileSync(at("shared"), "old");
    chmodSync(at("shared"), 0o4777);
    await put("shared");
    expect([await text(at("shared")), ...owner("shared")]).toEqual(["new", user.uid, user.gid]);
  });

  it("are removed with all in them where they are the user's", async () => {
    await put("tree/a/b/c");
    await removeEntry(host.engine.paths, "tree");
    expect(existsSync(at("tree"))).toBe(false);
    // In the user's own directory also a file of root's, as every program of the user's could.
    writeFileSync(at("left by root"), "x");
    await removeEntry(host.engine.paths, "left by root");
    expect(existsSync(at("left by root"))).toBe(false);
  });

  it("linked hard by the user under a new name do not become writable by it", async () => {
    linkSync(at("root's"), at("hard"));
    expect((await refusal(put("hard"))).code).toBe("denied");
    expect(await text(at("root's"))).toBe("needle");
  });

  it("are used with the daemon's own rights again right after", async () => {
    await Promise.all(Array.from({ length: 200 }, (_, i) => put(`many/${i}`)));
    expect([process.getuid?.(), process.geteuid?.(), process.getegid?.()]).toEqual([0, 0, 0]);
    expect(await text(at("unreadable"))).toBe("needle");
    writeFileSync(at("fixed/by root"), "x");
  });
});
