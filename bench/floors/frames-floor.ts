/**
 * The floor of an event stream: one process that reads a pipe from `cat` and makes of every line the frame that a
 * client would get, without a server, a journal or a client. Usage: bun bench/frames-floor.ts FILE COUNT
 */
const [file = "", count = "1"] = process.argv.slice(2);
const child = Bun.spawn(["cat", ...Array.from({ length: Number(count) }, () => file)], { stdout: "pipe" });
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const run = "0".repeat(32);
let [rest, offset, bytes] = ["", 0, 0];
for await (const chunk of child.stdout) {
  const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
  rest = lines.pop() ?? "";
  let frames = "";
  for (const text of lines) {
    offset += text.length + 1;
    frames += `id: ${run}:${offset}.0.0\ndata: ${JSON.stringify({ type: "stdout", text, timestamp: Date.now() })}\n\n`;
  }
  bytes += encoder.encode(frames).byteLength;
}
process.stdout.write(String(bytes));

// A module, which may wait at its top.
export {};
