// Reads bursts through the JavaScript library's own WebSocket client; fails when a message of one is missing.
import assert from "node:assert/strict";
import { WSClient } from "@hopx-ai/sdk";

const [url, bursts, parallel] = process.argv.slice(2);
const client = new WSClient(url, "a token");
const expected = ["stdout", "stderr", "stdout", "result", "complete"];

let begun = 0;
let firstMs = [];
async function reader() {
  while (begun++ < Number(bursts)) {
    const ws = await client.connect("/ws");
    const startedMs = performance.now();
    client.send(ws, { type: "execute" });
    const types = [];
    for await (const message of client.messages(ws)) {
      if (types.length === 0) firstMs.push(performance.now() - startedMs);
      types.push(message.type);
      if (message.type === "complete") break;
    }
    ws.close();
    assert.deepEqual(types, expected);
  }
}
await Promise.all(Array.from({ length: Number(parallel) }, reader));
firstMs = firstMs.sort((a, b) => a - b);
console.log(JSON.stringify({ bursts: firstMs.length, medianFirstMs: firstMs[firstMs.length >> 1] }));
