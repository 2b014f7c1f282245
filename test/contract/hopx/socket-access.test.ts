import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";
import { SocketClient } from "../../support/socket-client.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** The status of a handshake that is refused. */
async function refusedWith(path: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const handshake = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
    "Sec-WebSocket-Version": "13",
  };
  return (await fetch(daemon.url + path, { headers: { ...handshake, ...headers } })).status;
}

describe("a WebSocket", () => {
  test.each(["/execute/stream", "/commands/stream", "/stream", "/stream/ipython", "/files/watch"])(
    "on %s is refused before the upgrade without a good token, and to a foreign page",
    async (path) => {
      expect(await refusedWith(path)).toBe(401);
      expect(await refusedWith(path, { Authorization: "Bearer nonsense" })).toBe(401);
      expect(await refusedWith(`${path}?ticket=invented`)).toBe(401);
      const token = { Authorization: `Bearer ${daemon.token}` };
      expect(await refusedWith(path, { ...token, Origin: "http://evil.example" })).toBe(403);
      const plain = await daemon.fetch(path);
      expect(plain.status).toBe(426);
    },
  );

  test("opens with a ticket, once, from the page of the daemon itself", async () => {
    const { status, body, headers } = await daemon.post("/tickets", { path: "/commands/stream" });
    expect([status, headers.get("cache-control")]).toEqual([200, "no-store"]);
    const address = String(body["url"]);
    expect(address).toStartWith("ws://");
    expect(address).not.toContain(daemon.token);
    const browser = { "User-Agent": "Mozilla/5.0", Origin: daemon.url };
    await using client = await SocketClient.at(address, browser);
    const told = await client.run({ command: "echo hi" });
    expect(told.some(({ data }) => data === "hi\n")).toBe(true);
    expect(SocketClient.at(address, browser)).rejects.toThrow();
  });

  test("opened with a ticket for looking only takes no orders", async () => {
    await using owner = await SocketClient.open(daemon, "/commands/stream");
    owner.send({ command: "read line", stdin_open: true });
    const [started] = await owner.upTo("started");
    const { body } = await daemon.post("/tickets", { path: "/commands/stream", view_only: true });
    await using viewer = await SocketClient.at(String(body["url"]), { "User-Agent": "test" });
    viewer.send({ type: "resume", run_id: started?.run_id });
    await viewer.upTo("started");
    for (const type of ["cancel", "interrupt", "stdin_end"]) viewer.send({ type });
    viewer.send({ command: "echo mine" });
    await until(() => viewer.messages.filter(({ type }) => type === "error").length === 4);
    expect(viewer.messages.filter(({ code }) => code === "FORBIDDEN")).toHaveLength(4);
    owner.send({ type: "stdin", data: "x\n" });
    await owner.upTo("complete");
    await viewer.upTo("complete");
  });

  test("gets a ticket for its own routes only", async () => {
    const { status, body } = await daemon.post("/tickets", { path: "/execute" });
    expect([status, body.code]).toEqual([400, "INVALID_REQUEST"]);
    expect(body.message).toContain("/files/watch");
  });
});

describe("a watch", () => {
  const watch = async (message: object) => {
    const client = await SocketClient.open(daemon, "/files/watch");
    client.send({ action: "watch", ...message });
    return client;
  };

  test("says when it is armed, and numbers what it tells", async () => {
    await using client = await watch({ path: daemon.workspace, ignore: ["*.tmp"] });
    const [status] = await client.upTo("status");
    expect(status).toMatchObject({ status: `Watching ${daemon.workspace}`, directories: 1, seq: 0 });
    await mkdir(join(daemon.workspace, "new"));
    await until(() => client.messages.length === 2);
    await writeFile(join(daemon.workspace, "new/a.tmp"), "x");
    await writeFile(join(daemon.workspace, "new/a"), "x");
    await until(() => client.messages.some(({ complete }) => complete === true));
    const changes = client.messages
      .slice(1)
      .map(({ event, path, is_directory, complete }) => [event, path, is_directory, complete]);
    const file = join(daemon.workspace, "new/a");
    expect(changes).toEqual([
      ["created", join(daemon.workspace, "new"), true, undefined],
      ["created", file, false, undefined],
      ["modified", file, false, false],
      ["modified", file, false, true],
    ]);
    expect(client.messages.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4]);
  });

  test("of nothing is refused with the reason and a close code", async () => {
    await using client = await watch({ path: join(daemon.workspace, "nothing") });
    expect((await client.closed).code).toBe(1008);
    expect(client.messages[0]).toMatchObject({ type: "error", code: "FILE_NOT_FOUND" });
  });

  test("ends with a close code of its own when what it watches is gone", async () => {
    const path = join(daemon.workspace, "goes");
    await mkdir(path);
    await using client = await watch({ path });
    await client.upTo("status");
    await daemon.fetch(`/files/remove?path=${path}`, { method: "DELETE" });
    expect((await client.closed).code).toBe(4404);
    expect(client.messages.at(-1)).toMatchObject({ event: "deleted", path });
  });
});
