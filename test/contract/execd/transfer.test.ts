import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, stat, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { TEST_ACCESS_TOKEN, TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";
import { growthWhile } from "../../support/memory.ts";
import { SocketClient } from "../../support/socket-client.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ env: { SANDERLING_MAX_UPLOAD_BYTES: "2GiB" } });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const isRoot = process.getuid?.() === 0;
const fresh = () => mkdtemp(join(daemon.workspace, "transfer-"));
const MIB = 2 ** 20;

interface Part {
  readonly name: string;
  readonly filename?: string;
  readonly content: string | Uint8Array;
}

/** A form with the parts in exactly this order, as clients write them by hand. */
function form(parts: readonly Part[]): Uint8Array {
  const pieces = parts.flatMap(({ name, filename, content }) => [
    `--frontier\r\nContent-Disposition: form-data; name="${name}"`,
    filename === undefined ? "" : `; filename="${filename}"`,
    "\r\n\r\n",
    content,
    "\r\n",
  ]);
  return Buffer.concat([...pieces, "--frontier--\r\n"].map((piece) => Buffer.from(piece)));
}

const metadata = (path: string, more: object = {}): Part => ({
  name: "metadata",
  filename: "metadata",
  content: JSON.stringify({ path, ...more }),
});
const file = (content: string | Uint8Array): Part => ({ name: "file", filename: "/any/name", content });

async function upload(body: Bun.BodyInit, type = "multipart/form-data; boundary=frontier") {
  const response = await daemon.execd("/files/upload", {
    method: "POST",
    body,
    headers: { "content-type": type },
  });
  return {
    status: response.status,
    text: await response.text(),
    length: response.headers.get("content-length"),
  };
}
const uploadParts = (parts: readonly Part[]) => upload(form(parts) as Bun.BodyInit);

function expectDone(answer: Awaited<ReturnType<typeof upload>>): void {
  expect([answer.text, answer.status, answer.length]).toEqual(["", 200, "0"]);
}

const download = (path: string, headers = {}, more = "") =>
  daemon.execd(`/files/download?path=${encodeURIComponent(path)}${more}`, { headers });

describe("POST /files/upload", () => {
  test("writes one file with its parents; a new one may be executed, one that is there keeps its mode", async () => {
    const path = join(await fresh(), "deep/er/script.sh");
    expectDone(await uploadParts([metadata(path), file("#!/bin/sh\r\n--front no end\r\n-")]));
    expect(await readFile(path, "utf8")).toBe("#!/bin/sh\r\n--front no end\r\n-");
    expect((await stat(path)).mode & 0o777).toBe(0o755);
    expectDone(await uploadParts([metadata(path, { mode: 640 }), file("")]));
    expectDone(await uploadParts([metadata(path, { mode: null, owner: null, group: null }), file("new")]));
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readFile(path, "utf8")).toBe("new");
  });

  test.each([
    ["alternating", ["m0", "f0", "m1", "f1", "m2", "f2"]],
    ["all metadata first", ["m0", "m1", "m2", "f0", "f1", "f2"]],
    ["all files first", ["f0", "f1", "f2", "m0", "m1", "m2"]],
    ["mixed", ["f0", "m0", "m1", "f1", "f2", "m2"]],
  ])("pairs parts by their index, in the order: %s", async (_, order) => {
    const directory = await fresh();
    const parts = order.map((word) => {
      const index = word.slice(1);
      return word.startsWith("m") ? metadata(join(directory, index)) : file(`content ${index}`);
    });
    expectDone(await uploadParts(parts));
    for (const index of ["0", "1", "2"])
      expect(await readFile(join(directory, index), "utf8")).toBe(`content ${index}`);
    expect((await readdir(directory)).sort()).toEqual(["0", "1", "2"]);
  });

  test("takes forms of the platform and fields without a file name, too", async () => {
    const path = join(await fresh(), "file");
    const body = new FormData();
    body.append("metadata", JSON.stringify({ path }));
    body.append("note", "not looked at");
    body.append("file", new Blob(["content"]), "näme");
    const response = await daemon.execd("/files/upload", { method: "POST", body });
    expect(response.status).toBe(200);
    expect(await readFile(path, "utf8")).toBe("content");
  });

  test("writes through a symbolic link", async () => {
    const directory = await fresh();
    await writeFile(join(directory, "real"), "old");
    await symlink("real", join(directory, "link"));
    expectDone(await uploadParts([metadata(join(directory, "link")), file("new")]));
    expect(await readFile(join(directory, "real"), "utf8")).toBe("new");
  });

  test.skipIf(!isRoot)("gives file and made parents the owner", async () => {
    const directory = await fresh();
    const owner = { owner: "nobody", group: "nogroup", mode: 600 };
    expectDone(await uploadParts([metadata(join(directory, "made/file"), owner), file("x")]));
    for (const name of ["made", "made/file"]) expect((await stat(join(directory, name))).uid).toBe(65_534);
    expect((await stat(directory)).uid).toBe(0);
  });

  test.each<[string, readonly Part[], string, string]>([
    ["no part at all", [], "INVALID_FILE", "multipart form is empty"],
    ["no metadata", [file("x")], "INVALID_FILE_METADATA", "metadata file is missing"],
    ["no file", [metadata("unused")], "INVALID_FILE_CONTENT", "file is missing"],
    [
      "more metadata than files",
      [metadata("a1"), file("x"), metadata("a2")],
      "INVALID_FILE",
      "2 metadata parts and 1",
    ],
    [
      "metadata that is not JSON",
      [{ ...metadata(""), content: "{" }, file("")],
      "INVALID_FILE_METADATA",
      "invalid metadata format.",
    ],
    [
      "metadata without a path",
      [{ ...metadata(""), content: "{}" }, file("")],
      "INVALID_FILE_METADATA",
      "path",
    ],
    ["an empty path", [metadata(""), file("")], "INVALID_FILE_METADATA", "metadata path is empty"],
  ])("%s is refused", async (_, parts, code, message) => {
    const answer = await uploadParts(parts);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });

  test("what is no form is refused", async () => {
    expect(JSON.parse((await upload("{}", "application/json")).text)).toMatchObject({ code: "INVALID_FILE" });
  });

  test("a mode, an owner or a place that cannot be leaves the old file as it was", async () => {
    const path = join(await fresh(), "file");
    await writeFile(path, "old");
    for (const more of [{ mode: 493 }, { owner: "no such user" }])
      expect((await uploadParts([metadata(path, more), file("new")])).status).toBe(400);
    const secret = join(daemon.directory, "data/private/x");
    expect((await uploadParts([metadata(secret), file("new")])).status).toBe(403);
    expect(await readFile(path, "utf8")).toBe("old");
  });

  test("an upload that is broken off changes nothing and leaves nothing", async () => {
    const directory = await fresh();
    const path = join(directory, "file");
    await writeFile(path, "old");
    const { port } = new URL(daemon.execdUrl);
    const socket = connect(Number(port), "127.0.0.1");
    const whole = form([metadata(path), file("x".repeat(MIB))]);
    socket.write(
      "POST /files/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=frontier\r\n" +
        `X-EXECD-ACCESS-TOKEN: ${TEST_ACCESS_TOKEN}\r\nContent-Length: ${whole.byteLength}\r\n\r\n`,
    );
    socket.write(whole.subarray(0, whole.byteLength / 2));
    await until(() => socket.bytesWritten > MIB / 2 && socket.writableLength === 0);
    socket.destroy();
    // The daemon answers others, so it has seen the end of this one.
    await until(async () => (await readdir(directory)).length === 1);
    expect(await readdir(directory)).toEqual(["file"]);
    expect(await readFile(path, "utf8")).toBe("old");
  });

  test("a gigabyte sent in pieces without a length arrives whole, with bounded memory", async () => {
    const path = join(await fresh(), "large");
    const piece = new Uint8Array(4 * MIB).fill(97);
    const hash = createHash("sha256");
    const content = async function* () {
      yield form([metadata(path)]).subarray(0, -"--frontier--\r\n".length);
      yield Buffer.from('--frontier\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n');
      for (let at = 0; at < 256; at++) {
        piece[at] = 98;
        hash.update(piece);
        yield await Promise.resolve(piece.slice());
      }
      yield Buffer.from("\r\n--frontier--\r\n");
    };
    // The runtime takes a generator as a body; the types do not know.
    const { value, bytes } = await growthWhile(daemon.child.pid, () =>
      upload(content() as unknown as Bun.BodyInit),
    );
    expectDone(value);
    expect(bytes).toBeLessThan(128 * MIB);
    const got = createHash("sha256");
    const response = await download(path);
    const pieces: AsyncIterable<Uint8Array> | null = response.body;
    for await (const chunk of pieces ?? []) got.update(chunk);
    expect(got.digest("hex")).toBe(hash.digest("hex"));
  }, 60_000);
});

describe("GET /files/download", () => {
  async function made(content: string | Uint8Array, name = "file"): Promise<string> {
    const path = join(await fresh(), name);
    await writeFile(path, content);
    return path;
  }

  test("gives the bytes with the published headers", async () => {
    const path = await made("content", "na me ü.txt");
    const response = await download(path);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("content");
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "application/octet-stream",
      "content-length": "7",
      "accept-ranges": "bytes",
      "content-disposition": `attachment; filename="na me _.txt"; filename*=UTF-8''na%20me%20%C3%BC.txt`,
      "last-modified": expect.stringMatching(/GMT$/) as string,
    });
  });

  test.each([
    ["bytes=0-3", "0123", "bytes 0-3/10"],
    ["bytes=4-", "456789", "bytes 4-9/10"],
    ["bytes=-3", "789", "bytes 7-9/10"],
    ["bytes=8-100", "89", "bytes 8-9/10"],
    ["bytes=0-0,5-6", "0", "bytes 0-0/10"],
    ["bytes=50-60, 5-6", "56", "bytes 5-6/10"],
  ])("the range %p", async (range, content, contentRange) => {
    const response = await download(await made("0123456789"), { range });
    expect([response.status, response.headers.get("content-range"), await response.text()]).toEqual([
      206,
      contentRange,
      content,
    ]);
  });

  test.each(["bytes=10-", "bytes=x", "lines=1-2", "bytes=5-2", "bytes="])(
    "the range %p is refused, with a body",
    async (range) => {
      const response = await download(await made("0123456789"), { range });
      expect([response.status, await response.json()]).toMatchObject([416, { code: "UNKNOWN" }]);
    },
  );

  test("conditions are heeded", async () => {
    const path = await made("content");
    await utimes(path, 1e9, 1e9);
    const first = await download(path);
    const etag = first.headers.get("etag") ?? "";
    const modified = first.headers.get("last-modified") ?? "";
    expect((await download(path, { "if-none-match": etag })).status).toBe(304);
    expect((await download(path, { "if-modified-since": modified })).status).toBe(304);
    expect((await download(path, { "if-none-match": '"other"' })).status).toBe(200);
    expect((await download(path, { range: "bytes=0-1", "if-range": etag })).status).toBe(206);
    expect((await download(path, { range: "bytes=0-1", "if-range": '"other"' })).status).toBe(200);
  });

  const lines = "line1\nline2\r\n\nline4\rsame\nline5";
  test.each([
    ["offset=2&limit=2", lines, "line2\n"],
    ["offset=4", lines, "line4\rsame\nline5"],
    ["limit=2", lines, "line1\nline2"],
    ["offset=1", "a\nb\n", "a\nb"],
    ["offset=1", "a\n\n\n", "a\n\n"],
    ["offset=2", "a\r\r\n b\r\n", " b"],
    ["offset=1", "", ""],
    ["offset=9", lines, ""],
    ["offset=3&limit=1", lines, ""],
  ])("lines by %s of %p", async (parameters, content, expected) => {
    const response = await download(await made(content), {}, `&${parameters}`);
    expect([response.status, response.headers.get("content-type")]).toEqual([
      200,
      "text/plain; charset=utf-8",
    ]);
    expect(await response.text()).toBe(expected);
  });

  test("lines longer than any buffer are given whole, and a carriage return on a border stays", async () => {
    const long = `${"x".repeat(256 * 1024 - 1)}\r${"y".repeat(300 * 1024)}\r\r`;
    const response = await download(await made(`first\n${long}\nlast`), {}, "&offset=2&limit=1");
    expect(await response.text()).toBe(long.slice(0, -2));
  });

  test("a line of a huge file is given without reading the rest", async () => {
    const path = await made("one\ntwo\n");
    await truncate(path, 2 ** 40);
    expect(await (await download(path, {}, "&limit=2")).text()).toBe("one\ntwo");
  });

  test.each(["offset=0", "offset=-1", "limit=0", "offset=x", "limit=1.5"])(
    "%s is refused",
    async (parameters) => {
      const response = await download(await made("x"), {}, `&${parameters}`);
      expect([response.status, await response.json()]).toMatchObject([400, { code: "INVALID_REQUEST_BODY" }]);
    },
  );

  test("lines and a range at once, a directory, nothing, no path", async () => {
    const path = await made("x");
    expect((await download(path, { range: "bytes=0-1" }, "&offset=1")).status).toBe(400);
    const directory = await download(join(path, ".."));
    expect([directory.status, await directory.json()]).toMatchObject([
      400,
      { message: expect.stringContaining("directory") as string },
    ]);
    expect(await (await download(`${path}.not`)).json()).toMatchObject({ code: "FILE_NOT_FOUND" });
    expect(await (await daemon.execd("/files/download")).json()).toMatchObject({ code: "MISSING_QUERY" });
  });
});

describe("both APIs work on the same files", () => {
  test("what one writes the other reads, lists and finds", async () => {
    const directory = await fresh();
    await uploadParts([metadata(join(directory, "from-execd.txt")), file("by execd")]);
    const read = await daemon.fetch(
      `/files/read?path=${encodeURIComponent(join(directory, "from-execd.txt"))}`,
    );
    expect(await read.json()).toMatchObject({ content: "by execd" });
    await daemon.post("/files/write", { path: join(directory, "from-hopx.txt"), content: "by hopx" });
    expect(await (await download(join(directory, "from-hopx.txt"))).text()).toBe("by hopx");
    const listed = await daemon.execd(`/directories/list?path=${encodeURIComponent(directory)}`);
    const found = await daemon.execd(`/files/search?pattern=*.txt&path=${encodeURIComponent(directory)}`);
    for (const answer of [listed, found])
      expect(await answer.json()).toMatchObject([{ size: 8 }, { size: 7 }]);
  });

  test("what the Execution API does is seen by who watches over the other", async () => {
    const directory = await fresh();
    await using watcher = await SocketClient.open(daemon, "/files/watch");
    watcher.send({ action: "watch", path: directory });
    await watcher.upTo("status");
    await uploadParts([metadata(join(directory, "seen.txt")), file("by execd")]);
    await until(() => watcher.messages.some((message) => message["path"] === join(directory, "seen.txt")));
  });
});
