import { expect, test } from "bun:test";
import { z } from "zod";
import type { RequestRecord } from "../../src/http/api.ts";
import { createApp } from "../../src/http/dispatch.ts";
import { HttpFault } from "../../src/http/fault.ts";
import { HostPolicy } from "../../src/http/host-policy.ts";
import { listen, type Listener } from "../../src/http/listen.ts";
import { routesFor } from "../../src/http/route.ts";
import { Upgrade, type WebSocketConnection } from "../../src/http/websocket.ts";
import { until } from "../support/engine.ts";

const route = routesFor<undefined>();

/** A listener with one WebSocket route, and what it logged. */
function serve(handle: (socket: WebSocketConnection) => Promise<void>) {
  const records: RequestRecord[] = [];
  const fetch = createApp({
    routes: [
      route({
        method: "GET",
        path: "/ws/{name}",
        params: z.object({ name: z.string().max(5) }),
        credential: "none",
        summary: "A socket",
        responses: { 101: { description: "The socket" } },
        handle: () => new Upgrade(handle, { "Sec-WebSocket-Protocol": "chat" }),
      }),
    ],
    context: undefined,
    hosts: new HostPolicy({ allowedHosts: [], allowedOrigins: [] }),
    allowedOrigins: [],
    maxBodyBytes: 1024,
    name: "test",
    sampler: undefined,
    authenticate: () => undefined,
    once: (_, __, work) => work(),
    readQuery: () => ({}),
    parseJson: (text): unknown => JSON.parse(text),
    answerError: (error) => ({
      status: error instanceof HttpFault && error.kind === "upgrade_required" ? 426 : 400,
      body: { message: String(error) },
      isFault: false,
    }),
    record: (record) => void records.push(record),
  });
  const listener: Listener = listen("127.0.0.1", 0, fetch);
  const address = `${listener.url.replace("http", "ws")}/ws/a`;
  return { listener, address, records, [Symbol.asyncDispose]: () => listener.close() };
}

function closed(socket: WebSocket): Promise<CloseEvent> {
  return new Promise((resolve) => socket.addEventListener("close", resolve, { once: true }));
}

test("a connection answers in order and ends with 1000 when its handler returns", async () => {
  await using server = serve(async (socket) => {
    for await (const message of socket.messages()) {
      await socket.send(message);
      if (message === "bye") return;
    }
  });
  const socket = new WebSocket(server.address, ["chat"]);
  socket.binaryType = "arraybuffer";
  const got: unknown[] = [];
  socket.onmessage = ({ data }) =>
    void got.push(data instanceof ArrayBuffer ? [...new Uint8Array(data)] : data);
  socket.onopen = () => {
    socket.send("one");
    socket.send(new Uint8Array([0, 255]));
    socket.send("bye");
  };
  const end = await closed(socket);
  expect([got, end.code, socket.protocol]).toEqual([["one", [0, 255], "bye"], 1000, "chat"]);
  await until(() => server.records.length === 1);
  expect(server.records[0]).toMatchObject({ status: 101, route: "/ws/{name}", facts: { close_code: 1000 } });
});

test("a fault of the handler closes with 1011 and is logged with its cause", async () => {
  const fault = new Error("broken");
  await using server = serve(() => Promise.reject(fault));
  const end = await closed(new WebSocket(server.address, ["chat"]));
  expect(end.code).toBe(1011);
  await until(() => server.records.length === 1);
  expect(server.records[0]?.error).toBe(fault);
});

test("a request without the handshake gets 426, one with bad input its refusal", async () => {
  await using server = serve(() => Promise.resolve());
  const url = server.address.replace("ws", "http");
  expect((await fetch(url)).status).toBe(426);
  expect((await fetch(`${url}-too-long`)).status).toBe(400);
});

test("a reader that never reads makes its sender wait, and holds no memory beyond the mark", async () => {
  let sent = 0;
  const isGone: PromiseWithResolvers<void> = Promise.withResolvers();
  await using server = serve(async (socket) => {
    const chunk = new Uint8Array(64 * 1024);
    while (sent < 1024 && (await socket.send(chunk))) sent++;
    isGone.resolve();
  });
  const { hostname, port } = new URL(server.address);
  const key = Buffer.from("0123456789abcdef").toString("base64");
  const raw = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      open(socket) {
        socket.write(
          `GET /ws/a HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
        );
        socket.pause();
      },
      data: () => undefined,
    },
  });
  let before = -1;
  await until(() => {
    const isStill = sent > 0 && sent === before;
    before = sent;
    return isStill;
  });
  expect(sent).toBeLessThan(200);
  raw.terminate();
  await isGone.promise;
  expect(sent).toBeLessThan(200);
});

test("messages that nobody reads close the connection with 1009", async () => {
  const isOver: PromiseWithResolvers<void> = Promise.withResolvers();
  await using server = serve(() => isOver.promise);
  const socket = new WebSocket(server.address, ["chat"]);
  socket.onopen = () => {
    for (let i = 0; i < 20; i++) socket.send(new Uint8Array(1024 * 1024));
  };
  expect((await closed(socket)).code).toBe(1009);
  isOver.resolve();
});

test("going away is told with 1001", async () => {
  await using server = serve(async (socket) => {
    await socket.closed;
  });
  const socket = new WebSocket(server.address, ["chat"]);
  socket.onopen = () => server.listener.closeSockets();
  expect((await closed(socket)).code).toBe(1001);
});
