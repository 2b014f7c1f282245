import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, createServer as createTcpServer, type AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { TEST_ACCESS_TOKEN, TEST_API_KEY, TestDaemon } from "../../support/daemon.ts";
import { until } from "../../support/engine.ts";
import { growthWhile } from "../../support/memory.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const MIB = 2 ** 20;

/** A server on this machine's loopback, as a program in the sandbox would start one. */
class Origin implements AsyncDisposable {
  private constructor(
    readonly server: Server,
    readonly port: number,
  ) {}

  static async start(
    answer: (request: IncomingMessage, response: ServerResponse) => unknown,
    host = "127.0.0.1",
  ): Promise<Origin> {
    const server = createServer((request, response) => void answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    // Safe: it listens on TCP.
    return new Origin(server, (server.address() as AddressInfo).port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const proxied = (port: number, path = "/", init: RequestInit = {}) =>
  daemon.execd(`/proxy/${port}${path}`, { redirect: "manual", ...init });

const readAll = async (request: IncomingMessage) => {
  const chunks: Buffer[] = [];
  // Without an encoding set, pieces are buffers.
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

function bytesOf(response: Response): AsyncIterable<Uint8Array> {
  if (response.body === null) throw new Error("expected a body");
  return response.body;
}

/** The bytes of an answer, exactly as they come over the wire. */
function overTheWire(
  lines: readonly string[],
  port = Number(new URL(daemon.execdUrl).port),
): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.write(
    `${[...lines, "Host: localhost", `X-EXECD-ACCESS-TOKEN: ${TEST_ACCESS_TOKEN}`, "Connection: close"].join("\r\n")}\r\n\r\n`,
  );
  return new Promise((resolve, reject) => {
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("latin1"))).on("error", reject);
  });
}

describe("requests", () => {
  test.each(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])(
    "of the method %s arrive with path, query and body as they were sent",
    async (method) => {
      await using origin = await Origin.start(async (request, response) => {
        const body = (await readAll(request)).toString();
        response.end(JSON.stringify({ method: request.method, url: request.url, body }));
      });
      const path = "/a%2Fb//%C3%BC/%20x?q=%26&empty=&r=a+b";
      const hasBody = !["GET"].includes(method);
      const response = await proxied(origin.port, path, { method, ...(hasBody ? { body: "the body" } : {}) });
      expect(await response.json()).toEqual({ method, url: path, body: hasBody ? "the body" : "" });
    },
  );

  test("without a path after the port go to /", async () => {
    await using origin = await Origin.start((request, response) => response.end(request.url));
    for (const path of ["", "/", "?a=b"])
      expect(await (await proxied(origin.port, path)).text()).toBe(path === "?a=b" ? "/?a=b" : "/");
  });

  test("carry who asked, and nothing that is about one connection or lets anybody in here", async () => {
    await using origin = await Origin.start((request, response) =>
      response.end(JSON.stringify(request.headers)),
    );
    const headers = {
      "x-app": "kept",
      cookie: "a=b; c=d",
      "keep-alive": "timeout=5",
      te: "trailers",
      "proxy-authorization": "Basic eDp5",
      "open-sandbox-api-key": TEST_API_KEY,
      "x-api-key": TEST_API_KEY,
      authorization: `Bearer ${daemon.token}`,
      "x-forwarded-for": "192.0.2.7",
    };
    const seen = (await (await proxied(origin.port, "/x", { headers })).json()) as Record<string, string>;
    expect(seen).toMatchObject({
      "x-app": "kept",
      cookie: "a=b; c=d",
      host: new URL(daemon.execdUrl).host,
      "x-forwarded-for": "192.0.2.7, 127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": new URL(daemon.execdUrl).host,
      "x-forwarded-prefix": `/proxy/${origin.port}`,
    });
    for (const name of ["x-execd-access-token", "open-sandbox-api-key", "x-api-key", "authorization"])
      expect([name, seen[name]]).toEqual([name, undefined]);
    for (const name of ["keep-alive", "te", "proxy-authorization"]) expect(seen[name]).toBeUndefined();
    expect(JSON.stringify(seen)).not.toContain(TEST_ACCESS_TOKEN);
    const own = await proxied(origin.port, "/", { headers: { authorization: "Bearer of the application" } });
    expect(await own.json()).toMatchObject({ authorization: "Bearer of the application" });
  });

  test("need the access token", async () => {
    await using origin = await Origin.start((_, response) => response.end("secret"));
    expect((await fetch(`${daemon.execdUrl}/proxy/${origin.port}/`)).status).toBe(401);
  });
});

describe("answers", () => {
  test("pass with status, headers and bytes as they are: compressed, repeated cookies, redirects", async () => {
    const packed = gzipSync("unpacked by nobody but the client");
    await using origin = await Origin.start((request, response) => {
      response.setHeader("Set-Cookie", ["a=1; Path=/", "b=2"]);
      if (request.url === "/redirect") response.writeHead(307, { location: "/elsewhere?x=1" }).end();
      else response.writeHead(418, { "content-encoding": "gzip", "x-odd": "é" }).end(packed);
    });
    const wire = await overTheWire([`GET /proxy/${origin.port}/ HTTP/1.1`]);
    expect(wire).toStartWith("HTTP/1.1 418");
    expect(wire).toEndWith(packed.toString("latin1"));
    expect(wire.toLowerCase()).toContain(`content-length: ${packed.byteLength}`);
    expect(wire.toLowerCase()).toContain("content-encoding: gzip");
    expect(wire.match(/set-cookie: (a=1; Path=\/|b=2)\r\n/gi)).toHaveLength(2);
    const redirect = await proxied(origin.port, "/redirect");
    expect([redirect.status, redirect.headers.get("location")]).toEqual([307, "/elsewhere?x=1"]);
  });

  test("without a body have none: HEAD keeps its length, 204 and 304 their status", async () => {
    await using origin = await Origin.start((request, response) => {
      if (request.url === "/204") response.writeHead(204).end();
      else if (request.url === "/304") response.writeHead(304, { etag: '"x"' }).end();
      else response.writeHead(200, { "content-length": "12345" }).end();
    });
    const head = await overTheWire([`HEAD /proxy/${origin.port}/ HTTP/1.1`]);
    expect(head.toLowerCase()).toContain("content-length: 12345");
    expect(head).toEndWith("\r\n\r\n");
    expect((await proxied(origin.port, "/204")).status).toBe(204);
    const unchanged = await proxied(origin.port, "/304");
    expect([unchanged.status, unchanged.headers.get("etag")]).toEqual([304, '"x"']);
  });

  test("told beforehand by a 103 come once, after it", async () => {
    const server = createTcpServer((socket) => {
      socket.once("data", () =>
        socket.end(
          "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const response = await proxied((server.address() as AddressInfo).port);
    expect([response.status, await response.text()]).toEqual([200, "ok"]);
    server.close();
  });

  test("keep their length where the runtime can tell it, and are whole in any case", async () => {
    await using origin = await Origin.start((request, response) => {
      const size = Number(request.url?.slice(1));
      response.writeHead(200, { "content-length": String(size) }).end(Buffer.alloc(size, 1));
    });
    const small = await proxied(origin.port, "/200000");
    expect(small.headers.get("content-length")).toBe("200000");
    for (const size of [0, 200_000, 3 * MIB])
      expect((await (await proxied(origin.port, `/${size}`)).bytes()).byteLength).toBe(size);
  });

  test("of server-sent events come event by event", async () => {
    const started = Promise.withResolvers<ServerResponse>();
    await using origin = await Origin.start((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      started.resolve(response);
      response.write("data: 1\n\n");
    });
    const response = await proxied(origin.port);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const next = async () => new TextDecoder().decode((await reader.read()).value);
    expect(await next()).toBe("data: 1\n\n");
    (await started.promise).write("data: 2\n\n");
    expect(await next()).toBe("data: 2\n\n");
    await reader.cancel();
  });

  test("that break off are not taken for whole ones", async () => {
    const server = createTcpServer((socket) => {
      socket.once("data", (head: Buffer) => {
        const length = head.includes("/large") ? MIB : 100;
        socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\nshort`);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const port = (server.address() as AddressInfo).port;
    expect((await proxied(port)).status).toBe(502);
    const large = proxied(port, "/large").then((response) => response.text());
    expect(await large.catch(() => "broken")).toBe("broken");
    server.close();
  });
});

describe("what cannot be reached", () => {
  test("is told at once: nothing listens, or it hangs up", async () => {
    const server = createTcpServer((socket) => void socket.once("data", () => socket.destroy()));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const silent = await proxied(port);
    expect([silent.status, await silent.json()]).toMatchObject([
      502,
      { message: expect.stringContaining(`${port}`) as string },
    ]);
    server.close();
    await until(async () => (await proxied(port)).status === 502);
    const body = (await (await proxied(port, "/", { method: "POST", body: "x" })).json()) as {
      message: string;
    };
    expect(body.message).toContain("ECONNREFUSED");
  });

  test.each(["0", "65536", "http", "8080x", "-1", "127.0.0.2:80"])("the port %s is refused", async (port) => {
    const response = await daemon.execd(`/proxy/${port}/`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ message: expect.stringContaining("port") as string });
  });

  test("a server on the IPv6 loopback is found, too", async () => {
    await using origin = await Origin.start((_, response) => response.end("six"), "::1");
    expect(await (await proxied(origin.port)).text()).toBe("six");
  });
});

describe("the daemon itself through its own proxy", () => {
  test("answers with the token in the same header, and not without", async () => {
    const port = Number(new URL(daemon.execdUrl).port);
    expect((await proxied(port, "/ping")).status).toBe(200);
    expect((await proxied(port, `/files/info?path=${encodeURIComponent(daemon.workspace)}`)).status).toBe(
      200,
    );
    expect((await proxied(port, `/proxy/${port}/files/info`)).status).toBe(200);
    expect((await fetch(`${daemon.execdUrl}/proxy/${port}/ping`)).status).toBe(401);
    const hopx = Number(new URL(daemon.url).port);
    const info = await proxied(hopx, "/info", { headers: { authorization: `Bearer ${daemon.token}` } });
    expect(info.status).toBe(200);
  });
});

describe("large bodies", () => {
  test("a gigabyte goes up and comes down, whole, with bounded memory", async () => {
    const piece = Buffer.alloc(4 * MIB, 7);
    await using origin = await Origin.start(async (request, response) => {
      if (request.method === "PUT") {
        const hash = createHash("sha256");
        for await (const chunk of request) hash.update(chunk as Buffer);
        response.end(hash.digest("hex"));
        return;
      }
      for (let sent = 0; sent < 256; sent++)
        if (!response.write(piece)) await new Promise((resolve) => response.once("drain", resolve));
      response.end();
    });
    const expected = createHash("sha256");
    for (let sent = 0; sent < 256; sent++) expected.update(piece);
    const digest = expected.digest("hex");
    const content = async function* () {
      for (let sent = 0; sent < 256; sent++) yield await Promise.resolve(Buffer.from(piece));
    };
    const up = await growthWhile(daemon.child.pid, async () => {
      // The runtime takes a generator as a body; the types do not know.
      const body = content() as unknown as Bun.BodyInit;
      return (await proxied(origin.port, "/", { method: "PUT", body })).text();
    });
    expect(up.value).toBe(digest);
    const down = await growthWhile(daemon.child.pid, async () => {
      const hash = createHash("sha256");
      for await (const chunk of bytesOf(await proxied(origin.port))) hash.update(chunk);
      return hash.digest("hex");
    });
    expect(down.value).toBe(digest);
    expect(up.bytes).toBeLessThan(192 * MIB);
    expect(down.bytes).toBeLessThan(192 * MIB);
  }, 90_000);

  test("a client that does not read slows the server and costs bounded memory; when it leaves the server learns", async () => {
    const told = { sent: 0, isClosed: false };
    await using origin = await Origin.start(async (_, response) => {
      response.setMaxListeners(0).on("close", () => (told.isClosed = true));
      while (!told.isClosed && told.sent < 512 * MIB) {
        told.sent += MIB;
        if (!response.write(Buffer.alloc(MIB)))
          await new Promise<void>((resolve) =>
            response.once("drain", resolve).once("close", () => resolve()),
          );
      }
    });
    const socket = connect(Number(new URL(daemon.execdUrl).port), "127.0.0.1");
    socket.write(
      `GET /proxy/${origin.port}/ HTTP/1.1\r\nHost: localhost\r\nX-EXECD-ACCESS-TOKEN: ${TEST_ACCESS_TOKEN}\r\n\r\n`,
    );
    socket.pause();
    const { value, bytes } = await growthWhile(daemon.child.pid, async () => {
      let before = -1;
      // It has stopped when nothing more was taken in several looks.
      for (let same = 0; same < 10;) {
        await Bun.sleep(20);
        same = told.sent === before && told.sent > 0 ? same + 1 : 0;
        before = told.sent;
      }
      return told.sent;
    });
    expect(value).toBeLessThan(128 * MIB);
    expect(bytes).toBeLessThan(128 * MIB);
    socket.destroy();
    expect(await until(() => told.isClosed)).toBe(true);
  }, 60_000);
});

describe("WebSockets", () => {
  interface Seen {
    readonly messages: (string | number)[];
    close: { code: number; reason: string } | undefined;
    headers: Headers | undefined;
    url: string;
    pongs: number;
  }

  function echo(more: { refuse?: number; closeWith?: number } = {}) {
    const seen: Seen = { messages: [], close: undefined, headers: undefined, url: "", pongs: 0 };
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request, self) {
        seen.headers = request.headers;
        seen.url = request.url;
        if (more.refuse !== undefined) return new Response("no", { status: more.refuse });
        const wants = request.headers.get("sec-websocket-protocol")?.split(", ").at(-1);
        const headers = wants === undefined ? {} : { "Sec-WebSocket-Protocol": wants };
        return self.upgrade(request, { headers, data: undefined })
          ? undefined
          : new Response("?", { status: 400 });
      },
      websocket: {
        data: undefined,
        maxPayloadLength: 64 * MIB,
        message(socket, message) {
          seen.messages.push(typeof message === "string" ? message : message.byteLength);
          if (message === "close") socket.close(more.closeWith ?? 1000, "as asked");
          else if (message === "ping") socket.ping("are you there");
          else socket.send(message);
        },
        pong: () => {
          seen.pongs++;
        },
        close: (_, code, reason) => void (seen.close = { code, reason }),
      },
    });
    return { seen, server, port: server.port ?? 0, [Symbol.asyncDispose]: () => server.stop(true) };
  }

  async function open(port: number, path = "/", protocols: string[] = []) {
    const socket = new WebSocket(`${daemon.execdUrl.replace("http", "ws")}/proxy/${port}${path}`, {
      protocols,
      headers: { "X-EXECD-ACCESS-TOKEN": TEST_ACCESS_TOKEN },
    });
    socket.binaryType = "arraybuffer";
    const got: (string | Uint8Array)[] = [];
    const ended = Promise.withResolvers<{ code: number; reason: string }>();
    socket.onmessage = ({ data }) => {
      got.push(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer));
    };
    socket.onclose = ({ code, reason }) => ended.resolve({ code, reason });
    const opened = Promise.withResolvers<boolean>();
    socket.onopen = () => opened.resolve(true);
    socket.onerror = () => opened.resolve(false);
    return { socket, got, closed: ended.promise, isOpen: await opened.promise };
  }

  test("carry text and bytes both ways, with path, query and the protocol agreed on", async () => {
    await using origin = echo();
    const { socket, got, isOpen } = await open(origin.port, "/a%2Fb?x=1", ["first", "second"]);
    expect([isOpen, socket.protocol]).toEqual([true, "second"]);
    expect(new URL(origin.seen.url).pathname + new URL(origin.seen.url).search).toBe("/a%2Fb?x=1");
    socket.send("hé");
    socket.send(new Uint8Array([0, 255]));
    socket.send("");
    await until(() => got.length === 3);
    expect(got).toEqual(["hé", new Uint8Array([0, 255]), ""]);
    expect(origin.seen.headers?.get("x-execd-access-token")).toBeNull();
    expect(origin.seen.headers?.get("x-forwarded-prefix")).toBe(`/proxy/${origin.port}`);
    socket.close();
  });

  test.each([125, 126, 65_535, 65_536, 8 * MIB])("carry a message of %p bytes", async (size) => {
    await using origin = echo();
    const { socket, got } = await open(origin.port);
    const message = new Uint8Array(size).fill(9);
    socket.send(message);
    await until(() => got.length === 1);
    expect(Buffer.compare(got[0] as Uint8Array, message)).toBe(0);
    socket.close();
  });

  test("tell the close code and reason of either side to the other", async () => {
    await using origin = echo({ closeWith: 4321 });
    const one = await open(origin.port);
    one.socket.send("close");
    expect(await one.closed).toEqual({ code: 4321, reason: "as asked" });
    const other = await open(origin.port);
    other.socket.close(4001, "enough");
    await until(() => origin.seen.close?.code === 4001);
    expect(origin.seen.close).toEqual({ code: 4001, reason: "enough" });
  });

  test("answer a ping, and end when the server dies", async () => {
    const origin = echo();
    const { socket, closed } = await open(origin.port);
    socket.send("ping");
    await until(() => origin.seen.pongs === 1);
    await origin[Symbol.asyncDispose]();
    expect([1001, 1006]).toContain((await closed).code);
  });

  test("are refused in HTTP when nothing listens or the server does not want them", async () => {
    await using origin = echo({ refuse: 403 });
    const handshake = (port: number) =>
      overTheWire([
        `GET /proxy/${port}/ HTTP/1.1`,
        "Upgrade: websocket",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
      ]);
    expect(await handshake(origin.port)).toStartWith("HTTP/1.1 403");
    expect(await handshake(1)).toStartWith("HTTP/1.1 502");
  });

  test("that flood a client which does not read wait for it", async () => {
    const sent = { messages: 0 };
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, self) => (self.upgrade(request, { data: undefined }) ? undefined : new Response("")),
      websocket: {
        data: undefined,
        backpressureLimit: MIB,
        message: () => undefined,
        open(socket) {
          const flood = () => {
            while (sent.messages < 512 && socket.getBufferedAmount() < MIB) {
              socket.send(new Uint8Array(MIB));
              sent.messages++;
            }
          };
          flood();
          const timer = setInterval(() => (socket.readyState === 1 ? flood() : clearInterval(timer)), 5);
        },
      },
    });
    const client = connect(Number(new URL(daemon.execdUrl).port), "127.0.0.1");
    client.write(
      [
        `GET /proxy/${server.port ?? 0}/ HTTP/1.1`,
        "Host: localhost",
        `X-EXECD-ACCESS-TOKEN: ${TEST_ACCESS_TOKEN}`,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13\r\n\r\n",
      ].join("\r\n"),
    );
    client.pause();
    const { bytes } = await growthWhile(daemon.child.pid, async () => {
      let before = -1;
      for (let same = 0; same < 10;) {
        await Bun.sleep(20);
        same = sent.messages === before && sent.messages > 0 ? same + 1 : 0;
        before = sent.messages;
      }
    });
    expect(sent.messages).toBeLessThan(128);
    expect(bytes).toBeLessThan(128 * MIB);
    client.destroy();
    await server.stop(true);
  }, 60_000);
});
