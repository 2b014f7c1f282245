// Receives callbacks of POST /execute/async and checks who sent them.
// node verify-webhook.mjs PORT, with the secret in WEBHOOK_SECRET
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const SECRET = process.env.WEBHOOK_SECRET ?? "";
const MOST_AGE_SECONDS = 300;
const seen = new Set();

/** @param body The bytes as they came; a body that was parsed and written again has another signature. */
export function verify(headers, body) {
  const timestamp = headers["x-hopx-timestamp"] ?? "";
  const given = Buffer.from(headers["x-hopx-signature"] ?? "");
  const mac = createHmac("sha256", SECRET).update(timestamp).update(body).digest("hex");
  const expected = Buffer.from(`sha256=${mac}`);
  const isOurs = given.length === expected.length && timingSafeEqual(given, expected);
  return isOurs && Math.abs(Date.now() / 1000 - Number(timestamp)) <= MOST_AGE_SECONDS;
}

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts);
  if (!verify(request.headers, body)) return void response.writeHead(401).end();
  // Every attempt carries the same id: a repeat is answered, and not worked on again.
  const delivery = request.headers["x-hopx-delivery"];
  if (!seen.has(delivery)) {
    seen.add(delivery);
    const result = JSON.parse(body);
    console.log(`${result.execution_id} ${result.status}: ${result.stdout.trim()}`);
  }
  response.writeHead(204).end();
});

server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
