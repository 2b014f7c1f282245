import { expect, test } from "bun:test";
import { losesBursts, PacedSocket } from "../../../src/protocols/hopx/paced-socket.ts";
import { runProgram } from "../../support/clients.ts";
import { serveSocket } from "../../support/socket-server.ts";

const BURST = ["stdout", "stderr", "stdout", "result", "complete"];

/** Answers every message with a burst whose last one is final. */
function serveBursts() {
  return serveSocket(async (connection, { headers }) => {
    const socket = new PacedSocket(connection, losesBursts(headers));
    for await (const request of connection.messages()) {
      if (request === "") continue;
      for (const type of BURST.slice(0, -1)) void socket.send({ type });
      await socket.finish({ type: "complete" });
    }
  });
}

test("the JavaScript library reads 1,000 of 1,000 bursts of five messages, whole", async () => {
  await using server = serveBursts();
  const result = await runProgram(["node", "test/contract/hopx/clients/burst.mjs", server.url, "1000", "16"]);
  expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining('"bursts":1000') as string });
});

test("a client that says who it is gets a burst at once, and the final message once", async () => {
  await using server = serveBursts();
  const headers = { "User-Agent": "test" };
  // Bun's own option, which the DOM's type does not have.
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/ws`, { headers } as unknown as string[]);
  const types: string[] = [];
  const isWhole: PromiseWithResolvers<void> = Promise.withResolvers();
  socket.onmessage = ({ data }) => {
    types.push((JSON.parse(String(data)) as { type: string }).type);
    if (types.length === 2 * BURST.length) isWhole.resolve();
  };
  socket.onopen = () => {
    socket.send("one");
    socket.send("two");
  };
  await isWhole.promise;
  expect(types).toEqual([...BURST, ...BURST]);
  socket.close();
});
