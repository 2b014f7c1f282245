import { open } from "node:fs/promises";

/**
 * Spawns the posted argument vector and answers its output as JSON, or with `?drain` only its length: no limits, no
 * journal, no true end.
 */
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  maxRequestBodySize: Number.MAX_SAFE_INTEGER,
  async fetch(request) {
    const { searchParams } = new URL(request.url);
    const file = searchParams.get("file");
    if (file !== null) return request.method === "GET" ? new Response(Bun.file(file)) : keep(file, request);
    if (request.method === "GET") return Response.json({ message: "pong" });
    const argv = (await request.json()) as string[];
    const child = Bun.spawn(argv, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr, exit_code] = await Promise.all([
      searchParams.has("drain") ? drain(child.stdout) : new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return Response.json({ success: exit_code === 0, stdout, stderr, exit_code });
  },
});

/** The length of what is read. */
async function drain(stream: ReadableStream<Uint8Array>): Promise<string> {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.byteLength;
  return String(bytes);
}

async function keep(path: string, request: Request): Promise<Response> {
  await Bun.write(path, new Response(request.body));
  const written = await open(path);
  await written.sync();
  await written.close();
  return new Response();
}

process.send?.(server.url.href);
