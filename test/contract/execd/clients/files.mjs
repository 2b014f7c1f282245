// What the JavaScript client library offers on files, directories, metrics and isolation; ends with "ok".
import assert from "node:assert/strict";
import { ConnectionConfig, Sandbox } from "@alibaba-group/opensandbox";

const { DOMAIN, API_KEY, SANDBOX_ID, WORKSPACE } = process.env;
const connectionConfig = new ConnectionConfig({ domain: DOMAIN, protocol: "http", apiKey: API_KEY });
const sandbox = await Sandbox.connect({ sandboxId: SANDBOX_ID, connectionConfig });
const at = (name) => `${WORKSPACE}/js/${name}`;
const { files } = sandbox;
const text = (bytes) => new TextDecoder().decode(bytes);

async function readsAndWrites(files, at) {
  await files.createDirectories([
    { path: at("dir"), mode: 755 },
    { path: at("dir/private"), mode: 700 },
  ]);
  async function* pieces() {
    for (const piece of ["streamed ", "in ", "pieces"]) yield new TextEncoder().encode(piece);
  }
  await files.writeFiles([
    { path: at("dir/text ü.txt"), data: "hé one\ntwo one\nthree", mode: 644 },
    { path: at("dir/bytes.bin"), data: new Uint8Array([0, 255, 13, 10]) },
    { path: at("dir/stream.txt"), data: pieces(), mode: 600 },
    { path: at("dir/empty"), data: "" },
  ]);
  assert.equal(await files.readFile(at("dir/text ü.txt")), "hé one\ntwo one\nthree");
  assert.equal(await files.readFile(at("dir/stream.txt")), "streamed in pieces");
  assert.equal(await files.readFile(at("dir/empty")), "");
  assert.deepEqual([...(await files.readBytes(at("dir/bytes.bin")))], [0, 255, 13, 10]);
  assert.equal(text(await files.readBytes(at("dir/stream.txt"), { range: "bytes=0-7" })), "streamed");
  assert.equal(await files.readFile(at("dir/text ü.txt"), { offset: 2, limit: 1 }), "two one");
  let streamed = "";
  for await (const chunk of files.readBytesStream(at("dir/stream.txt"))) streamed += text(chunk);
  assert.equal(streamed, "streamed in pieces");
  const info = await files.getFileInfo([at("dir/text ü.txt"), at("dir")]);
  assert.equal(info[at("dir/text ü.txt")].size, 21);
  assert.equal(info[at("dir/text ü.txt")].mode, 644);
  assert.equal(info[at("dir")].mode, 755);
  assert.ok(info[at("dir")].modifiedAt instanceof Date);
  assert.ok(Math.abs(info[at("dir")].createdAt - Date.now()) < 60_000);
  const names = (list) => list.map(({ path }) => path.slice(at("dir/").length)).sort();
  assert.deepEqual(names(await files.search({ path: at("dir"), pattern: "*.txt" })), [
    "stream.txt",
    "text ü.txt",
  ]);
  assert.equal((await files.listDirectory({ path: at("dir") })).length, 5);
  assert.equal((await files.listDirectory({ path: at("dir"), depth: 0 })).length, 0);
  await files.setPermissions([{ path: at("dir/text ü.txt"), mode: 640 }]);
  assert.equal((await files.getFileInfo([at("dir/text ü.txt")]))[at("dir/text ü.txt")].mode, 640);
  const change = { path: at("dir/text ü.txt"), oldContent: "one", newContent: "1" };
  await files.replaceContents([change]);
  assert.equal(await files.readFile(at("dir/text ü.txt")), "hé 1\ntwo 1\nthree");
  await files.moveFiles([{ src: at("dir/text ü.txt"), dest: at("moved/deep.txt") }]);
  assert.equal(await files.readFile(at("moved/deep.txt")), "hé 1\ntwo 1\nthree");
  await assert.rejects(files.readFile(at("dir/text ü.txt")));
  await assert.rejects(files.getFileInfo([at("nothing")]), /not found/i);
  await files.deleteFiles([at("moved/deep.txt"), at("nothing")]);
  await assert.rejects(files.readFile(at("moved/deep.txt")));
  await files.deleteDirectories([at("dir"), at("moved")]);
  assert.deepEqual(await files.search({ path: at(""), pattern: "*" }), []);
}

await readsAndWrites(files, at);
await files.createDirectories([{ path: at("") }]);
await files.writeFiles([{ path: at("counted"), data: "a a b" }]);
const counted = await files.replaceContentsDetailed([
  { path: at("counted"), oldContent: "a", newContent: "c" },
]);
assert.deepEqual(counted, [{ path: at("counted"), replacedCount: 2 }]);

const metrics = await sandbox.metrics.getMetrics();
assert.ok(metrics.cpuCount > 0 && metrics.cpuUsedPercentage >= 0 && metrics.cpuUsedPercentage <= 100);
assert.ok(metrics.memoryUsedMiB > 0 && metrics.memoryUsedMiB <= metrics.memoryTotalMiB);
assert.ok(Math.abs(metrics.timestamp - Date.now()) < 60_000);

const capabilities = await sandbox.isolation.capabilities();
if (capabilities.available) {
  const once = await sandbox.isolation.runOnce("echo once; pwd", WORKSPACE);
  assert.deepEqual(
    once.logs.stdout.map(({ text }) => text),
    ["once", WORKSPACE],
  );
  assert.equal(once.exitCode, 0);
  await sandbox.isolation.withSession({ workspace: { path: WORKSPACE, mode: "rw" } }, async (session) => {
    await session.run("kept=yes");
    const again = await sandbox.isolation.attach(session.sessionId);
    const run = await again.run("echo $kept $GIVEN; exit 3", {
      envs: { GIVEN: "given" },
      timeoutSeconds: 20,
    });
    assert.deepEqual(
      run.logs.stdout.map(({ text }) => text),
      ["yes given"],
    );
    assert.equal(run.error.name, "ExitError");
    assert.equal(run.error.value, "3");
    assert.equal((await again.get()).status, "active");
    assert.equal(again.info.workspace.path, WORKSPACE);
    assert.ok((await sandbox.isolation.list()).some(({ session_id: id }) => id === session.sessionId));
    await session.files.writeFiles([{ path: at("counted"), data: "a a b" }]);
    const change = { path: at("counted"), oldContent: "a", newContent: "c" };
    assert.deepEqual(await session.files.replaceContentsDetailed([change]), [
      { path: at("counted"), replacedCount: 2 },
    ]);
    await readsAndWrites(session.files, (name) => at(`isolated/${name}`));
  });
  assert.deepEqual(await sandbox.isolation.list(), []);
} else {
  await assert.rejects(sandbox.isolation.create({ workspace: { path: WORKSPACE } }));
}
await sandbox.close();
console.log("ok");
