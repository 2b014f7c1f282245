// Everything about files that the JavaScript library offers. Run by files.test.ts; fails by throwing.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { APIError, FileNotFoundError, Sandbox } from "@hopx-ai/sdk";

const [url, id, key, workspace] = process.argv.slice(2);
const { files } = await Sandbox.connect(id, key, url);
const names = [`${workspace}/js/a b+c&d#e%25.txt`, `${workspace}/js/naïve 文件 "quoted".txt`];

for (const name of names) {
  await files.write(name, "hé\n");
  assert.equal(await files.read(name), "hé\n");
  assert.equal(await files.exists(name), true);
}
const bytes = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255, 10, 13]);
await files.writeBytes(`${workspace}/js/image.png`, bytes);
assert.deepEqual(await files.readBytes(`${workspace}/js/image.png`), bytes);
assert.deepEqual(await files.download(`${workspace}/js/image.png`), bytes);
assert.match(await files.read(`${workspace}/js/image.png`), /^\ufffdPNG/);

await files.mkdir(`${workspace}/js/dir/a/b`);
const listed = await files.list(`${workspace}/js`);
const dir = listed.find(({ name }) => name === "dir");
const image = listed.find(({ name }) => name === "image.png");
assert.equal(listed.length, 4);
assert.equal(dir.isDirectory ?? dir.is_dir, true);
assert.equal(image.size, bytes.length);
assert.equal(image.permissions, "rw-r--r--");

const local = await mkdtemp(join(tmpdir(), "js-files-"));
try {
  const content = Buffer.alloc(3_000_000, "\r\n--x");
  await writeFile(join(local, "up"), content);
  await files.upload(join(local, "up"), `${workspace}/js/up loaded`);
  assert.deepEqual(await files.readBytes(`${workspace}/js/up loaded`), await readFile(join(local, "up")));
} finally {
  await rm(local, { recursive: true });
}

await assert.rejects(files.write(names[0], "x", { overwrite: false }), (error) => {
  assert.ok(error instanceof APIError);
  assert.equal(error.code, "FILE_ALREADY_EXISTS");
  return true;
});
for (const missing of ["/non-existent.txt", `${workspace}/my-sandbox/none`]) {
  await assert.rejects(files.read(missing), (error) => {
    assert.ok(error instanceof FileNotFoundError, String(error));
    assert.equal(error.path.endsWith(missing.split("/").at(-1)), true);
    return true;
  });
  assert.equal(await files.exists(missing), false);
}
await assert.rejects(files.read("/dev/zero"), /it is a device/);

await files.remove(`${workspace}/js`);
assert.equal(await files.exists(`${workspace}/js`), false);
await assert.rejects(files.remove(`${workspace}/js`), FileNotFoundError);

console.log("ok");
