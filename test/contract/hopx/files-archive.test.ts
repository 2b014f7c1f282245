import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmod,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { extract, pack, type Header } from "tar-stream";
import { TestDaemon, type Answer } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

setDefaultTimeout(60_000);

const MOST_ENTRIES = 2000;
const MOST_BYTES = 64 * 2 ** 20;
type Member = Partial<Header> & Pick<Header, "name"> & { readonly content?: string };

let daemon: TestDaemon;
let root: string;
beforeAll(async () => {
  daemon = await TestDaemon.start({
    env: {
      SANDERLING_MAX_ARCHIVE_ENTRIES: String(MOST_ENTRIES),
      SANDERLING_MAX_ARCHIVE_BYTES: String(MOST_BYTES),
    },
  });
  root = daemon.workspace;
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** A directory of one test's own, in the workspace. */
async function place(name: string): Promise<string> {
  await mkdir(join(root, name), { recursive: true });
  return join(root, name);
}

async function tarOf(members: readonly Member[]): Promise<Uint8Array> {
  const tar = pack();
  for (const { content, ...header } of members) tar.entry(header, content ?? "");
  tar.finalize();
  const pieces: Uint8Array[] = [];
  for await (const piece of tar as AsyncIterable<Uint8Array>) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function unpack(
  path: string,
  body: Bun.BodyInit,
  query = "",
): Promise<{ status: number; body: Answer }> {
  const response = await daemon.fetch(`/files/archive?path=${encodeURIComponent(path)}${query}`, {
    method: "POST",
    body,
  });
  return { status: response.status, body: (await response.json()) as Answer };
}

async function membersOf(archive: Uint8Array): Promise<Map<string, Header & { content: string }>> {
  const reader = extract();
  reader.end(gunzipSync(archive));
  const members = new Map<string, Header & { content: string }>();
  for await (const entry of reader) {
    const pieces: Uint8Array[] = [];
    for await (const piece of entry as AsyncIterable<Uint8Array>) pieces.push(piece);
    members.set(entry.header.name, { ...entry.header, content: Buffer.concat(pieces).toString() });
  }
  return members;
}

async function download(path: string): Promise<Response> {
  return daemon.fetch(`/files/archive?path=${encodeURIComponent(path)}`);
}

test("a directory comes as tar.gz with modes, times, links and every kind of name", async () => {
  const from = await place("packed");
  const long = "n".repeat(200);
  await mkdir(join(from, "sub/empty"), { recursive: true });
  await mkdir(join(from, long));
  await writeFile(join(from, "run.sh"), "#!/bin/sh\n");
  await chmod(join(from, "run.sh"), 0o750);
  await utimes(join(from, "run.sh"), 1_600_000_000, 1_600_000_000);
  await writeFile(join(from, 'sub/a "b"\nü.txt'), "named");
  await writeFile(join(from, long, long), "far");
  await symlink("../run.sh", join(from, "sub/link"));
  await symlink("/nowhere/at/all", join(from, "dangling"));
  const response = await download("packed");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/gzip");
  expect(response.headers.get("content-disposition")).toContain('filename="packed.tar.gz"');
  expect(response.headers.get("x-archive-entries")).toBe("8");
  expect(response.headers.get("x-archive-skipped")).toBe("0");
  const members = await membersOf(await response.bytes());
  expect([...members.keys()].toSorted()).toEqual(
    [
      "dangling",
      `${long}/`,
      `${long}/${long}`,
      "run.sh",
      "sub/",
      'sub/a "b"\nü.txt',
      "sub/empty/",
      "sub/link",
    ].toSorted(),
  );
  expect(members.get("run.sh")).toMatchObject({ mode: 0o750, mtime: new Date(1_600_000_000_000) });
  expect(members.get("sub/link")).toMatchObject({ type: "symlink", linkname: "../run.sh" });
  expect(members.get(`${long}/${long}`)?.content).toBe("far");
});

test("sockets, devices and FIFOs are left out, and the answer says so", async () => {
  const from = await place("special");
  await writeFile(join(from, "file"), "x");
  await Bun.$`mkfifo ${join(from, "a fifo")}`;
  const response = await download("special");
  expect(response.headers.get("x-archive-skipped")).toBe("1");
  expect(response.headers.get("x-archive-skipped-paths")).toBe("a%20fifo;special");
  expect([...(await membersOf(await response.bytes())).keys()]).toEqual(["file"]);
});

test("what is no directory is refused, and HEAD has no body", async () => {
  await writeFile(join(await place("plain"), "file"), "x");
  expect((await download("plain/file")).status).toBe(400);
  expect((await download("plain/nothing")).status).toBe(404);
  const head = await daemon.fetch("/files/archive?path=plain", { method: "HEAD" });
  expect([head.status, head.headers.get("x-archive-entries"), await head.text()]).toEqual([200, "1", ""]);
});

test("what goes down comes up the same", async () => {
  const archive = await (await download("packed")).bytes();
  const { status, body } = await unpack("round", archive);
  expect(status).toBe(200);
  expect(body as object).toMatchObject({ success: true, files: 3, directories: 3, links: 2, bytes: 18 });
  const to = join(root, "round");
  expect(await readFile(join(to, "run.sh"), "utf8")).toBe("#!/bin/sh\n");
  const stats = await lstat(join(to, "run.sh"));
  expect([stats.mode & 0o7777, stats.mtimeMs]).toEqual([0o750, 1_600_000_000_000]);
  expect(await readlink(join(to, "dangling"))).toBe("/nowhere/at/all");
  expect((await readdir(to)).filter((name) => name.startsWith(".sanderling"))).toEqual([]);
  const again = await (await download("round")).bytes();
  const [one, other] = [await membersOf(archive), await membersOf(again)];
  expect([...other.keys()]).toEqual([...one.keys()]);
  expect(other.get("sub/")?.mtime).toEqual(one.get("sub/")?.mtime as Date);
});

test("a plain tar, and one by the system's tar, are unpacked and merged with what is there", async () => {
  const to = await place("merged");
  await mkdir(join(to, "kept"));
  await writeFile(join(to, "kept/old"), "old");
  await writeFile(join(to, "kept/both"), "old");
  const tar = await tarOf([
    { name: "./kept/both", content: "new" },
    { name: "kept/new", content: "new" },
    { name: "hard", type: "link", linkname: "kept/new" },
  ]);
  expect((await unpack("merged", tar)).status).toBe(200);
  const read = (name: string) => readFile(join(to, name), "utf8");
  expect([await read("kept/old"), await read("kept/both"), await read("hard")]).toEqual([
    "old",
    "new",
    "new",
  ]);
  expect((await lstat(join(to, "hard"))).nlink).toBe(2);
  const from = await place("system");
  await writeFile(join(from, "x"), "by tar");
  await link(join(from, "x"), join(from, "y"));
  await Bun.$`tar -czf ${join(root, "system.tgz")} -C ${from} .`.quiet();
  expect((await unpack("merged", Bun.file(join(root, "system.tgz")))).status).toBe(200);
  expect([await read("x"), await read("y"), await read("kept/old")]).toEqual(["by tar", "by tar", "old"]);
});

test("with overwrite=false nothing at all is replaced", async () => {
  const to = await place("strict");
  await writeFile(join(to, "b"), "mine");
  const tar = await tarOf([
    { name: "a", content: "new" },
    { name: "b", content: "theirs" },
  ]);
  const { status, body } = await unpack("strict", tar, "&overwrite=false");
  expect([status, body.code]).toEqual([409, "FILE_ALREADY_EXISTS"]);
  expect(await readdir(to)).toEqual(["b"]);
  expect(await readFile(join(to, "b"), "utf8")).toBe("mine");
});

const ATTACKS: readonly (readonly [string, readonly Member[], string])[] = [
  ["a name with ..", [{ name: "../escaped", content: "x" }], "leads out"],
  ["a name with .. in its middle", [{ name: "a/b/../../../escaped", content: "x" }], "leads out"],
  ["an absolute name", [{ name: "/escaped", content: "x" }], "absolute"],
  [
    "a link out and a file through it",
    [
      { name: "out", type: "symlink", linkname: "../outside" },
      { name: "out/escaped", content: "x" },
    ],
    "no directory",
  ],
  [
    "a link to itself made a directory",
    [
      { name: "out", type: "symlink", linkname: "." },
      { name: "out", type: "directory" },
    ],
    "no directory",
  ],
  [
    "a hard link to an absolute path",
    [{ name: "hard", type: "link", linkname: "/etc/hostname" }],
    "absolute",
  ],
  ["a hard link out", [{ name: "hard", type: "link", linkname: "../outside/victim" }], "leads out"],
  [
    "a hard link through a link",
    [
      { name: "out", type: "symlink", linkname: "../outside" },
      { name: "hard", type: "link", linkname: "out/victim" },
    ],
    "no file of the archive",
  ],
  [
    "a hard link to a link",
    [
      { name: "out", type: "symlink", linkname: "../outside/victim" },
      { name: "hard", type: "link", linkname: "out" },
    ],
    "no file of the archive",
  ],
  [
    "a character device",
    [{ name: "null", type: "character-device", devmajor: 1, devminor: 3 }],
    "character-device",
  ],
  ["a block device", [{ name: "disk", type: "block-device", devmajor: 8, devminor: 0 }], "block-device"],
  ["a FIFO", [{ name: "pipe", type: "fifo" }], "fifo"],
  ["a tree that is too deep", [{ name: `${"d/".repeat(200)}f`, content: "x" }], "deep"],
  ["a name that is too long", [{ name: "n".repeat(300), content: "x" }], "too long"],
];

test.each(ATTACKS)("%s is refused, and nothing is changed", async (_, members, reason) => {
  const outside = await place("outside");
  await writeFile(join(outside, "victim"), "untouched");
  const to = await place("attacked");
  const { status, body } = await unpack(
    "attacked",
    await tarOf([{ name: "before", content: "x" }, ...members]),
  );
  expect([status, body.code]).toEqual([400, "INVALID_REQUEST"]);
  expect(body.message).toContain(reason);
  expect(await readdir(to)).toEqual([]);
  expect(await readdir(outside)).toEqual(["victim"]);
  expect(await readFile(join(outside, "victim"), "utf8")).toBe("untouched");
  expect(await readdir(root)).not.toContain("escaped");
});

test("a link that was there before is never written through, nor a directory put over a file", async () => {
  const outside = await place("outside");
  const to = await place("linked");
  await symlink(outside, join(to, "there"));
  const through = await unpack("linked", await tarOf([{ name: "there/escaped", content: "x" }]));
  expect([through.status, through.body.code]).toEqual([409, "FILE_ALREADY_EXISTS"]);
  expect(await readdir(outside)).not.toContain("escaped");
  // A file of the link's own name takes the link's place and leaves its target alone.
  await writeFile(join(outside, "victim"), "untouched");
  await symlink(join(outside, "victim"), join(to, "file"));
  expect((await unpack("linked", await tarOf([{ name: "file", content: "mine" }]))).status).toBe(200);
  expect(await readFile(join(outside, "victim"), "utf8")).toBe("untouched");
  expect(await readFile(join(to, "file"), "utf8")).toBe("mine");
  const over = await unpack("linked", await tarOf([{ name: "file/below", content: "x" }]));
  expect(over.status).toBe(409);
});

test("a link in an archive may be replaced by a file of the same archive without touching its target", async () => {
  const outside = await place("outside");
  await writeFile(join(outside, "victim"), "untouched");
  await place("twice");
  const tar = await tarOf([
    { name: "f", type: "symlink", linkname: "../outside/victim" },
    { name: "f", content: "mine" },
  ]);
  expect((await unpack("twice", tar)).status).toBe(200);
  expect(await readFile(join(root, "twice/f"), "utf8")).toBe("mine");
  expect(await readFile(join(outside, "victim"), "utf8")).toBe("untouched");
});

test("set-id bits and foreign owners of an archive are not taken over", async () => {
  await unpack("owned", await tarOf([{ name: "suid", mode: 0o6755, uid: 12345, gid: 12345, content: "x" }]));
  const stats = await lstat(join(root, "owned/suid"));
  expect([stats.mode & 0o7777, stats.uid]).toEqual([0o755, process.getuid?.() ?? 0]);
});

test("a million tiny entries are bounded, and the rest is not read", async () => {
  const to = await place("many");
  let made = 0;
  const header = await tarOf([{ name: "tiny", size: 0, content: "" }]);
  const one = header.subarray(0, 512);
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (made >= 1_000_000) {
        controller.close();
        return;
      }
      made += 128;
      controller.enqueue(Buffer.concat(Array.from({ length: 128 }, () => one)));
    },
  });
  const { status, body: answer } = await unpack("many", body);
  expect(status).toBe(413);
  expect(answer.message).toContain(`more than ${MOST_ENTRIES} entries`);
  expect(await readdir(to)).toEqual([]);
});

test("a gzip bomb is bounded in time, memory and disk", async () => {
  const to = await place("bomb");
  const header = await bigHeader(2 ** 30);
  const zeros = gzipSync(Buffer.alloc(2 ** 26));
  const bomb = Buffer.concat([gzipSync(header), ...Array.from({ length: 16 }, () => zeros)]);
  expect(bomb.byteLength).toBeLessThan(2 ** 21);
  const { status, body } = await unpack("bomb", bomb);
  expect(status).toBe(413);
  expect(body.message).toContain(`more than ${MOST_BYTES} bytes`);
  expect(await readdir(to)).toEqual([]);
  // Zeros without a header count as well.
  expect((await unpack("bomb", Buffer.concat(Array.from({ length: 2 }, () => zeros)))).status).toBe(413);
});

/** The header of a file that is never written here. */
async function bigHeader(size: number): Promise<Uint8Array> {
  const tar = pack();
  tar.entry({ name: "big", size });
  for await (const piece of tar as AsyncIterable<Uint8Array>) return piece.subarray(0, 512);
  throw new Error("no header");
}

test.each([
  ["no archive at all", () => Buffer.from("this is not an archive, and it is long enough. ".repeat(40))],
  ["a gzip of something else", () => gzipSync(Buffer.from("hello ".repeat(500)))],
  [
    "half a gzip",
    async () => gzipSync(await tarOf([{ name: "a", content: "x".repeat(5000) }])).subarray(0, 60),
  ],
  ["half a tar", async () => (await tarOf([{ name: "a", content: "x".repeat(5000) }])).subarray(0, 2000)],
])("%s is refused, and nothing is changed", async (_, make) => {
  const to = await place("broken");
  const { status, body } = await unpack("broken", await make());
  expect([status, body.code]).toEqual([400, "INVALID_REQUEST"]);
  expect(await readdir(to)).toEqual([]);
});

test("a client that leaves in the middle leaves nothing behind", async () => {
  const to = await place("left");
  const tar = await tarOf([{ name: "first", content: "x".repeat(100_000) }]);
  const leaving = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(tar.subarray(0, 50_000)),
  });
  const asked = daemon.fetch("/files/archive?path=left", { method: "POST", body, signal: leaving.signal });
  await until(async () => (await readdir(to)).length === 1);
  leaving.abort();
  await asked.catch(() => undefined);
  await until(async () => (await readdir(to)).length === 0);
});

test("a client that leaves a download ends its work", async () => {
  const from = await place("large");
  for (let i = 0; i < 8; i++)
    await writeFile(join(from, String(i)), crypto.getRandomValues(new Uint8Array(65536)).toHex().repeat(64));
  const open = async () => (await readdir(`/proc/${daemon.child.pid}/fd`)).length;
  const before = await open();
  for (let i = 0; i < 5; i++) {
    const leaving = new AbortController();
    const response = await daemon.fetch("/files/archive?path=large", { signal: leaving.signal });
    await response.body?.getReader().read();
    leaving.abort();
  }
  await until(async () => (await open()) <= before + 1);
});

test("512 MiB go down within bounded memory", async () => {
  const from = await place("huge");
  const file = Bun.file(join(from, "data")).writer();
  const noise = crypto.getRandomValues(new Uint8Array(65536));
  for (let i = 0; i < (512 * 2 ** 20) / noise.byteLength; i++) await file.write(noise);
  await file.end();
  const rss = async () =>
    Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${daemon.child.pid}/status`, "utf8"))?.[1]) / 1024;
  const before = await rss();
  let [most, bytes] = [0, 0];
  const response = await download("huge");
  const copy = Bun.file(join(root, "huge.tgz")).writer();
  for await (const piece of response.body ?? []) {
    bytes += (piece as Uint8Array).byteLength;
    await copy.write(piece as Uint8Array);
    most = Math.max(most, await rss());
  }
  await copy.end();
  expect(bytes).toBeGreaterThan(2 ** 20);
  expect(most - before).toBeLessThan(96);
  await rm(from, { recursive: true });
});
