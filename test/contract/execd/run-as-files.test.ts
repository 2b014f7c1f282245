import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmod, mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestDaemon } from "../../support/daemon.ts";

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

/** A daemon of root whose code runs as nobody: neither files nor sessions may be a way around that. */
describe.skipIf(!isRoot)("under run-as", () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await TestDaemon.start({ env: { SANDERLING_RUN_AS: `${NOBODY}:${NOBODY}` } });
    await chmod(daemon.directory, 0o755);
  });
  afterAll(() => daemon[Symbol.asyncDispose]());

  const call = async (method: string, path: string, body?: unknown) => {
    const init = { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await daemon.execd(path, init);
    return { status: response.status, text: await response.text() };
  };
  const at = (name: string) => join(daemon.workspace, name);
  const asked = (path: string) => `path=${encodeURIComponent(path)}`;

  test("files are made as the user, and root's stay closed to every route", async () => {
    expect((await call("POST", "/directories", { [at("made")]: { mode: 750 } })).status).toBe(200);
    expect((await stat(at("made"))).uid).toBe(NOBODY);
    const form = new FormData();
    form.append("metadata", new Blob([JSON.stringify({ path: at("made/file"), mode: 640 })]), "metadata");
    form.append("file", new Blob(["content"]), "file");
    expect((await daemon.execd("/files/upload", { method: "POST", body: form })).status).toBe(200);
    const stats = await stat(at("made/file"));
    expect([stats.uid, stats.gid, stats.mode & 0o777]).toEqual([NOBODY, NOBODY, 0o640]);

    const closed = join(daemon.directory, "closed");
    await mkdir(closed, { mode: 0o700 });
    await writeFile(join(closed, "file"), "root's");
    await writeFile(join(daemon.directory, "readable"), "root's", { mode: 0o644 });
    for (const [method, path, body] of [
      ["GET", `/files/download?${asked(join(closed, "file"))}`],
      ["GET", `/files/info?${asked(join(closed, "file"))}`],
      ["GET", `/files/search?${asked(closed)}`],
      ["GET", `/directories/list?${asked(closed)}`],
      ["DELETE", `/directories?${asked(closed)}`],
      ["DELETE", `/files?${asked(join(daemon.directory, "readable"))}`],
      ["POST", "/files/permissions", { [join(daemon.directory, "readable")]: { mode: 666 } }],
      ["POST", "/files/permissions", { [at("made/file")]: { owner: "root" } }],
      ["POST", "/files/replace", { [join(daemon.directory, "readable")]: { old: "root", new: "my" } }],
      ["POST", "/files/mv", [{ src: join(daemon.directory, "readable"), dest: at("taken") }]],
      ["POST", "/directories", { [join(closed, "new")]: {} }],
    ] as const)
      expect([method, path, (await call(method, path, body)).status]).toEqual([method, path, 403]);
    const owned = new FormData();
    owned.append("metadata", new Blob([JSON.stringify({ path: at("given"), owner: "root" })]), "metadata");
    owned.append("file", new Blob(["content"]), "file");
    expect((await daemon.execd("/files/upload", { method: "POST", body: owned })).status).toBe(403);
    expect((await call("GET", `/files/info?${asked(at("given"))}`)).status).toBe(404);
  });

  test("files are used as nobody else", async () => {
    const info = (identity: string) => call("GET", `/v1/filesystem/${identity}/files/info?${asked(at(""))}`);
    expect((await info("0/0")).status).toBe(403);
    expect((await info("1/1")).status).toBe(403);
    expect((await info(`${NOBODY}/${NOBODY}`)).status).toBe(200);
  });

  test.skipIf(spawnSync("bwrap", ["--ro-bind", "/", "/", "true"]).status !== 0)(
    "isolated sessions are the user's, and tools are not looked for where clients say",
    async () => {
      const fake = at("bin");
      await mkdir(fake);
      await writeFile(join(fake, "bwrap"), `#!/bin/sh\nid -u > ${at("proof")}\n`, { mode: 0o755 });
      const set = { env_vars: { PATH: `${fake}:/usr/bin:/bin` } };
      const headers = { "content-type": "application/json" };
      await daemon.fetch("/env", { method: "PATCH", body: JSON.stringify(set), headers });
      const workspace = { path: daemon.workspace };
      for (const more of [{ uid: 0 }, { uid_mode: "userns" }, { uid: 1 }])
        expect((await call("POST", "/v1/isolated/session", { workspace, ...more })).status).toBe(403);
      const created = await call("POST", "/v1/isolated/session", { workspace });
      expect(created.status).toBe(201);
      const { session_id: id } = JSON.parse(created.text) as { session_id: string };
      const run = await call("POST", `/v1/isolated/session/${id}/run`, { code: "id -u; cat /etc/shadow" });
      expect(run.text).toContain(`"text":"${NOBODY}"`);
      expect(run.text).toContain("Permission denied");
      expect((await call("GET", `/files/info?${asked(at("proof"))}`)).status).toBe(404);
    },
    30_000,
  );
});
