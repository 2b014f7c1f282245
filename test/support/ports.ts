import { createServer } from "node:net";

/** A port of this machine that is taken until it is disposed. */
export async function heldPort(): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a server that listens has a port");
  return {
    port: address.port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

/** One that was free a moment ago. */
export async function freePort(): Promise<number> {
  await using held = await heldPort();
  return held.port;
}
