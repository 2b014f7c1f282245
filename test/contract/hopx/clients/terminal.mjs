// The terminal as the JavaScript library offers it. Run by terminal.test.ts; fails by throwing.
import assert from "node:assert/strict";
import { Sandbox } from "@hopx-ai/sdk";

const [url, id, key] = process.argv.slice(2);
const sandbox = await Sandbox.connect(id, key, url);

// As the vendor's own test: wait, type, one message has the text.
{
  const ws = await sandbox.terminal.connect();
  await new Promise((resume) => setTimeout(resume, 200));
  sandbox.terminal.sendInput(ws, 'echo "hello terminal"\r');
  for await (const message of sandbox.terminal.output(ws)) {
    assert.equal(message.type, "output");
    if (message.data.includes("hello terminal")) break;
  }
  ws.close();
}

// A command, then exit at once, read to the end, many times: no frame may be lost that the library stops at.
for (let round = 0; round < 20; round++) {
  const ws = await sandbox.terminal.connect();
  sandbox.terminal.resize(ws, 120, 40);
  sandbox.terminal.sendInput(ws, `stty size; seq 200; echo "round-${round}-$((1 + 1))"; exit ${round}\n`);
  let text = "";
  let code;
  for await (const message of sandbox.terminal.output(ws)) {
    if (message.type === "output") text += message.data;
    else if (message.type === "exit") code = message.code;
  }
  assert.equal(code, round);
  assert.match(text, /40 120\r\n1\r\n/);
  assert.match(text, new RegExp(`200\r\nround-${round}-2\r\n`));
  ws.close();
}

console.log("ok");
