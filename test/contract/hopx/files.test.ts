import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CLIENT_PYTHON, runProgram } from "../../support/clients.ts";
import { TEST_API_KEY, TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ env: { SANDERLING_MAX_UPLOAD_BYTES: "2GiB" } });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const at = (name: string) => join(daemon.workspace, name);
const put = (path: string, content: string, more: object = {}, headers: Record<string, string> = {}) =>
  daemon.post("/files/write", { path, content, ...more }, { headers });
const query = (values: Record<string, string>) => new URLSearchParams(values).toString();

async function get(path: string, init: RequestInit = {}) {
  const response = await daemon.fetch(path, init);
  return { status: response.status, headers: response.headers, body: (await response.json()) as Body };
}
interface Body {
  readonly [field: string]: unknown;
  readonly content: string;
  readonly code: string;
  readonly message: string;
  readonly files: Record<string, unknown>[];
}

const download = (path: string, headers: Record<string, string> = {}) =>
  daemon.fetch(`/files/download?${query({ path })}`, { headers });

function upload(parts: [string, string | Blob, string?][], headers: Record<string, string> = {}) {
  const form = new FormData();
  for (const [name, value, filename] of parts)
    if (typeof value === "string") form.append(name, value);
    else form.append(name, value, filename);
  return daemon.fetch("/files/upload", { method: "POST", body: form, headers });
}

describe("POST /files/write and GET /files/read", () => {
  test("text is written with its parents and read back, with the published fields", async () => {
    const written = await put("deep/er/hello.txt", "hé\n");
    expect(written.status).toBe(200);
    expect(written.body).toMatchObject({
      success: true,
      path: at("deep/er/hello.txt"),
      size: 4,
      message: "File written successfully",
    });
    const read = await get(`/files/read?${query({ path: "deep/er/hello.txt" })}`);
    expect(read).toMatchObject({
      status: 200,
      body: { content: "hé\n", path: at("deep/er/hello.txt"), size: 4 },
    });
    expect(read.headers.get("etag")).toBe(written.headers.get("etag"));
  });

  test("base64 is decoded before it is stored, and refused when it is not base64", async () => {
    const bytes = Buffer.from([0, 255, 254, 10, 13]);
    expect((await put("bytes", bytes.toString("base64"), { encoding: "base64" })).status).toBe(200);
    expect(await readFile(at("bytes"))).toEqual(bytes);
    expect((await get("/files/read?path=bytes&encoding=base64")).body.content).toBe(bytes.toString("base64"));
    expect((await get("/files/read?path=bytes")).body.content).toBe("\0\ufffd\ufffd\n\r");
    for (const content of ["%%%%", "abcde", "a"]) {
      const refused = await put("bytes", content, { encoding: "base64" });
      expect(refused).toMatchObject({ status: 400, body: { code: "INVALID_REQUEST" } });
    }
  });

  test("mode is honoured; the one that every client library sends keeps what was there", async () => {
    await put("script", "1", { mode: "0755" });
    expect((await stat(at("script"))).mode & 0o777).toBe(0o755);
    await put("script", "2", { mode: "0644" });
    expect((await stat(at("script"))).mode & 0o777).toBe(0o755);
    expect((await put("script", "3", { mode: "rwx" })).status).toBe(400);
  });

  test("overwrite: false is a conflict", async () => {
    await put("once", "1", { overwrite: false });
    const again = await put("once", "2", { overwrite: false });
    expect(again).toMatchObject({ status: 409, body: { code: "FILE_ALREADY_EXISTS", path: at("once") } });
    expect(await readFile(at("once"), "utf8")).toBe("1");
  });

  test("If-Match and If-None-Match give optimistic locking", async () => {
    const first = await put("locked", "1", {}, { "if-none-match": "*" });
    expect(first.status).toBe(200);
    expect((await put("locked", "2", {}, { "if-none-match": "*" })).status).toBe(412);
    const etag = first.headers.get("etag") ?? "";
    expect((await put("locked", "2", {}, { "if-match": `"other", ${etag}` })).status).toBe(200);
    const stale = await put("locked", "3", {}, { "if-match": etag });
    expect(stale).toMatchObject({ status: 412, body: { code: "CONFLICT", details: { path: at("locked") } } });
    expect((await put("not there", "x", {}, { "if-match": "*" })).status).toBe(412);
    expect(await readFile(at("locked"), "utf8")).toBe("2");
  });

  test("50 MB of text go in and out as JSON", async () => {
    const content = "a line of text that is fifty bytes long, or nearly\n".repeat(1_000_000);
    expect((await put("large.txt", content)).status).toBe(200);
    expect((await get("/files/read?path=large.txt")).body.content).toHaveLength(content.length);
    const lines = await get("/files/read?path=large.txt&start_line=999999&end_line=2000000");
    expect(lines.body).toMatchObject({ start_line: 999_999, end_line: 1_000_000, has_more: false });
    expect(lines.body.content).toHaveLength(2 * 51);
  }, 60_000);

  test("bad input gets a precise 400", async () => {
    expect((await get("/files/read")).body.message).toBe("Missing required field: path");
    expect((await daemon.post("/files/write", { path: "x" })).body.message).toBe(
      "Missing required field: content",
    );
    expect((await get("/files/read?path=")).status).toBe(400);
    expect((await get("/files/read?path=%00")).status).toBe(400);
    expect((await get("/files/read?path=once&start_line=0")).status).toBe(400);
    expect((await get("/files/read?path=once&start_line=3&end_line=2")).status).toBe(400);
    expect((await get(`/files/read?path=${"x".repeat(256)}`)).status).toBe(400);
    expect((await get("/files/read?path=/dev/zero")).body.message).toEndWith("it is a device");
  });

  test("a plus is a space where slashes are escaped, and a plus where nothing is", async () => {
    await put("pluses/a b", "space");
    await put("pluses/a+b", "plus");
    const content = async (path: string) => (await get(`/files/read?path=${path}`)).body.content;
    expect(await content("pluses%2Fa+b")).toBe("space");
    expect(await content("pluses%2Fa%2Bb")).toBe("plus");
    expect(await content("pluses/a+b")).toBe("plus");
    expect(await content("pluses/a%20b")).toBe("space");
  });
});

describe("errors", () => {
  test("a missing file has the published text, and the words no client chokes on", async () => {
    const missing = await get("/files/read?path=/no/such.txt");
    expect(missing).toMatchObject({
      status: 404,
      body: {
        code: "FILE_NOT_FOUND",
        error: "File not found: /no/such.txt",
        message: "File not found: /no/such.txt",
        path: "/no/such.txt",
        details: { path: "/no/such.txt" },
      },
    });
    const { body } = await get("/files/read?path=/no/Sandbox/x");
    expect(body.message).not.toMatch(/sandbox/i);
    expect(body).toMatchObject({ error: "File not found: /no/Sandbox/x", path: "/no/Sandbox/x" });
    for (const path of ["/files/list", "/files/download"])
      expect((await get(`${path}?path=/no/such`)).body.code).toBe("FILE_NOT_FOUND");
    const gone = await daemon.fetch("/files/remove?path=/no/such", { method: "DELETE" });
    expect(gone.status).toBe(404);
  });

  test("the daemon's own private directory is 403 FORBIDDEN, also through a symbolic link", async () => {
    const secret = join(daemon.directory, "data/private/sandbox-id");
    await symlink(join(daemon.directory, "data/private"), at("way-in"));
    for (const path of [secret, "way-in/sandbox-id"]) {
      expect(await get(`/files/read?${query({ path })}`)).toMatchObject({
        status: 403,
        body: { code: "FORBIDDEN" },
      });
    }
    expect((await put(join(daemon.directory, "data/private/planted"), "x")).status).toBe(403);
  });

  test("outside the allowed roots is 403 FORBIDDEN on every route", async () => {
    await using bound = await TestDaemon.start({ env: { SANDERLING_ALLOWED_ROOTS: "/nowhere,/tmp/none" } });
    const form = new FormData();
    form.append("path", "/etc/x");
    form.append("file", new Blob(["x"]), "x");
    const answers = await Promise.all([
      ...["read", "download", "list", "exists"].map((name) => bound.fetch(`/files/${name}?path=/etc/passwd`)),
      bound.fetch("/files/remove?path=/etc/passwd", { method: "DELETE" }),
      bound.fetch("/files/mkdir", { method: "POST", body: `{"path":"/etc/x"}` }),
      bound.fetch("/files/write", { method: "POST", body: `{"path":"/etc/x","content":""}` }),
      bound.fetch("/files/upload", { method: "POST", body: form }),
    ]);
    for (const answer of answers) {
      expect(answer.status).toBe(403);
      expect(await answer.json()).toMatchObject({
        code: "FORBIDDEN",
        error: expect.stringMatching(/^Path not allowed: \/etc\//) as string,
      });
    }
  });
});

describe("GET /files/list, GET /files/exists, POST /files/mkdir, DELETE /files/remove", () => {
  test("entries carry both names of flag and time", async () => {
    await put("listed/file", "12345", { mode: "0640" });
    await mkdir(at("listed/dir"));
    const { body } = await get("/files/list?path=listed");
    expect(body).toMatchObject({ path: at("listed"), count: 2, truncated: false });
    const [dir, file] = body.files;
    expect(dir).toMatchObject({ name: "dir", is_dir: true, is_directory: true, permissions: "rwxr-xr-x" });
    expect(file).toMatchObject({
      name: "file",
      path: at("listed/file"),
      size: 5,
      is_dir: false,
      is_directory: false,
      permissions: "rw-r-----",
    });
    expect(file?.["modified"]).toBe(file?.["modified_time"]);
    expect(file?.["modified"]).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    const tree = await get("/files/list?path=.&recursive=true&limit=3");
    expect(tree.body).toMatchObject({ count: 3, truncated: true });
    expect((await get("/files/list")).body["path"]).toBe(daemon.workspace);
  });

  test("exists is always 200", async () => {
    await put("there", "");
    expect((await get("/files/exists?path=there")).body).toMatchObject({ exists: true, path: at("there") });
    for (const path of ["not-there", "there/below"])
      expect(await get(`/files/exists?path=${path}`)).toMatchObject({ status: 200, body: { exists: false } });
  });

  test("directories are made with parents, twice too, and removed with all in them", async () => {
    for (let i = 0; i < 2; i++) {
      const made = await daemon.post("/files/mkdir", { path: "made/a/b" });
      expect(made).toMatchObject({ status: 200, body: { success: true, path: at("made/a/b") } });
    }
    await put("made/a/b/file", "x");
    const removed = await daemon.fetch("/files/remove?path=made", { method: "DELETE" });
    expect(removed.status).toBe(200);
    expect((await get("/files/exists?path=made")).body["exists"]).toBe(false);
    for (const path of ["/", "."])
      expect((await daemon.fetch(`/files/remove?path=${path}`, { method: "DELETE" })).status).toBe(403);
  });
});

describe("POST /files/upload", () => {
  const blob = new Blob([Buffer.from("\r\n--not a boundary\r\n\0\xff", "latin1")]);

  test("the path may come before the file or after it", async () => {
    const orders: [string, string | Blob, string?][][] = [
      [
        ["path", "up/one"],
        ["mode", "0600"],
        ["file", blob, "a"],
      ],
      [
        ["file", blob, "a"],
        ["mode", "0600"],
        ["path", "up/two"],
      ],
    ];
    for (const parts of orders) expect((await upload(parts)).status).toBe(200);
    for (const name of ["up/one", "up/two"]) {
      expect(await readFile(at(name))).toEqual(Buffer.from(await blob.arrayBuffer()));
      expect((await stat(at(name))).mode & 0o777).toBe(0o600);
    }
    expect(await readdir(at("up"))).toEqual(["one", "two"]);
  });

  test("conditions hold for uploads too", async () => {
    expect(
      (
        await upload([
          ["file", blob, "a"],
          ["path", "up/one"],
          ["overwrite", "false"],
        ])
      ).status,
    ).toBe(409);
    expect(
      (
        await upload(
          [
            ["path", "up/one"],
            ["file", blob, "a"],
          ],
          { "if-none-match": "*" },
        )
      ).status,
    ).toBe(412);
  });

  test("forms that cannot be understood are refused, and nothing is left", async () => {
    const before = await readdir(daemon.workspace);
    const raw = (body: string, type = "multipart/form-data; boundary=b") =>
      daemon.fetch("/files/upload", { method: "POST", body, headers: { "content-type": type } });
    const head = `--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n`;
    const answers = [
      await raw("{}", "application/json"),
      await raw(""),
      await raw("no boundary at all"),
      await raw(`${head}never ends`),
      await raw(`${head}x\r\n--b\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--b--`),
      await raw(`--b\r\n${"X: y\r\n".repeat(10_000)}`),
      await raw(`${head}x\r\n--b--\r\n`),
      await raw(`--b\r\nContent-Disposition: form-data; name="path"\r\n\r\nx\r\n--b--`),
      await upload([
        ["file", blob, "a"],
        ["file", blob, "b"],
        ["path", "x"],
      ]),
      await upload([
        ["path", "x"],
        ["mode", "999"],
        ["file", blob, "a"],
      ]),
    ];
    for (const answer of answers) expect(answer.status).toBe(400);
    expect(await readdir(daemon.workspace)).toEqual(before);
  });

  test("what is larger than the limit is refused while it comes", async () => {
    await using small = await TestDaemon.start({ env: { SANDERLING_MAX_UPLOAD_BYTES: "64KiB" } });
    const form = new FormData();
    form.append("file", new Blob([new Uint8Array(100_000)]), "x");
    form.append("path", "x");
    expect((await small.fetch("/files/upload", { method: "POST", body: form })).status).toBe(413);
    expect(await readdir(small.workspace)).toEqual([]);
  });

  test("a client that leaves in the middle leaves the old content and nothing else", async () => {
    await put("kept", "old");
    const { hostname, port } = new URL(daemon.url);
    for (const first of ["path", "file"]) {
      const before = openFiles(daemon.child.pid);
      const socket = connect(Number(port), hostname);
      const path = `--b\r\nContent-Disposition: form-data; name="path"\r\n\r\nkept\r\n`;
      const file = `--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n`;
      socket.write(
        `POST /files/upload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\n` +
          "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 10000000\r\n\r\n" +
          `${first === "path" ? path : ""}${file}${"x".repeat(100_000)}`,
      );
      await until(() => openFiles(daemon.child.pid) > before);
      socket.destroy();
      await until(() => openFiles(daemon.child.pid) <= before);
    }
    expect(await readFile(at("kept"), "utf8")).toBe("old");
    expect((await readdir(daemon.workspace)).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  test("a daemon killed in the middle leaves the old content whole, and nothing else", async () => {
    await using doomed = await TestDaemon.start();
    await doomed.post("/files/write", { path: "kept", content: "old" });
    const { hostname, port } = new URL(doomed.url);
    const before = openFiles(doomed.child.pid);
    const socket = connect(Number(port), hostname).on("error", () => undefined);
    const part = (name: string) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`;
    socket.write(
      `POST /files/upload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${doomed.token}\r\n` +
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 10000000\r\n\r\n" +
        `${part("path")}kept\r\n${part("file")}${"x".repeat(100_000)}`,
    );
    await until(() => openFiles(doomed.child.pid) > before);
    await doomed.stop("SIGKILL");
    socket.destroy();
    expect(await readdir(doomed.workspace)).toEqual(["kept"]);
    expect(await readFile(join(doomed.workspace, "kept"), "utf8")).toBe("old");
  });
});

/** How many files of its workspace a daemon has open. */
function openFiles(pid: number): number {
  const { stdout } = spawnSync("ls", ["-l", `/proc/${pid}/fd`]);
  return stdout
    .toString()
    .split("\n")
    .filter((line) => line.includes("/workspace")).length;
}

describe("GET /files/download", () => {
  test("bytes come as they are, with what a browser and a cache need", async () => {
    const name = `quo"te\n 文件.bin`;
    await writeFile(at(name), Buffer.from([0, 1, 255]));
    const answer = await download(name);
    expect(await answer.bytes()).toEqual(new Uint8Array([0, 1, 255]));
    expect(answer.headers.get("content-type")).toBe("application/octet-stream");
    expect(answer.headers.get("content-length")).toBe("3");
    expect(answer.headers.get("content-disposition")).toBe(
      `attachment; filename="quo_te_ __.bin"; filename*=UTF-8''quo%22te%0A%20%E6%96%87%E4%BB%B6.bin`,
    );
    const etag = answer.headers.get("etag") ?? "";
    const modified = answer.headers.get("last-modified") ?? "";
    expect((await download(name, { "if-none-match": `W/${etag}` })).status).toBe(304);
    expect((await download(name, { "if-modified-since": modified })).status).toBe(304);
    expect((await download(name, { "if-none-match": '"other"' })).status).toBe(200);
  });

  test("ranges of every form, and 416 behind the end", async () => {
    await put("ten", "0123456789");
    const ranges: [string, number, string, string | null][] = [
      ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
      ["bytes=7-", 206, "789", "bytes 7-9/10"],
      ["bytes=8-99", 206, "89", "bytes 8-9/10"],
      ["bytes=-4", 206, "6789", "bytes 6-9/10"],
      ["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
      ["bytes=0-1,3-4", 200, "0123456789", null],
      ["lines=1-2", 200, "0123456789", null],
      ["bytes=5-2", 200, "0123456789", null],
    ];
    for (const [range, status, content, told] of ranges) {
      const answer = await download("ten", { range });
      expect([range, answer.status, await answer.text()]).toEqual([range, status, content]);
      expect(answer.headers.get("content-range")).toBe(told);
    }
    for (const range of ["bytes=10-", "bytes=-0"]) {
      const answer = await download("ten", { range });
      expect([answer.status, answer.headers.get("content-range")]).toEqual([416, "bytes */10"]);
      await answer.text();
    }
    const changed = await download("ten", { range: "bytes=0-1", "if-range": '"other"' });
    expect([changed.status, await changed.text()]).toEqual([200, "0123456789"]);
  });

  test("empty files and HEAD", async () => {
    await put("empty", "");
    const answer = await download("empty");
    expect([answer.status, await answer.text()]).toEqual([200, ""]);
    const head = await daemon.fetch("/files/download?path=ten", { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "10"]);
  });

  test("no file stays open afterwards", async () => {
    await until(() => openFiles(daemon.child.pid) === 0);
  });
});

test("1 GiB up and 1 GiB down cost the daemon less than 48 MiB, and not a byte changes", async () => {
  await using fresh = await TestDaemon.start();
  const source = join(fresh.directory, "source");
  spawnSync("sh", ["-c", `head -c ${2 ** 30} /dev/urandom > "$1"`, "sh", source]);
  const growth = await memoryGrowth(fresh.child.pid);
  const authorization = `Authorization: Bearer ${fresh.token}`;
  const up = await runProgram([
    ...["curl", "-s", "-H", authorization, "-F", `file=@${source}`, "-F", "path=copy"],
    `${fresh.url}/files/upload`,
  ]);
  expect(up.stdout).toContain(`"size":${2 ** 30}`);
  expect(spawnSync("cmp", [source, join(fresh.workspace, "copy")]).status).toBe(0);
  await rm(join(fresh.workspace, "copy"));
  spawnSync("mv", [source, join(fresh.workspace, "big")]);
  const hash = createHash("sha256");
  const { body } = await fresh.fetch("/files/download?path=big");
  const bytes: AsyncIterable<Uint8Array> | undefined = body ?? undefined;
  for await (const chunk of bytes ?? []) hash.update(chunk);
  const sum = spawnSync("sha256sum", [join(fresh.workspace, "big")]).stdout.toString();
  expect(sum).toStartWith(hash.digest("hex"));
  expect(await growth()).toBeLessThan(48 * 2 ** 20);
}, 180_000);

/** Gives a function that tells by how much the highest memory since is above what it was. */
async function memoryGrowth(pid: number): Promise<() => Promise<number>> {
  const field = async (name: string) => {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]) * 1024;
  };
  const before = await field("VmRSS");
  return async () => (await field("VmHWM")) - before;
}

describe("the vendors' libraries", () => {
  test.each([
    ["JavaScript", ["node", "test/contract/hopx/clients/javascript-files.mjs"]],
    ["Python", [CLIENT_PYTHON, "test/contract/hopx/clients/python_files.py"]],
  ])(
    "%s does everything with files that it offers",
    async (_, argv) => {
      const result = await runProgram([
        ...argv,
        daemon.url,
        daemon.sandboxId,
        TEST_API_KEY,
        daemon.workspace,
      ]);
      expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/ok\n$/) as string });
    },
    60_000,
  );
});
