import { connect, type Socket } from "node:net";

/** Servers that were told "localhost" may listen on either. */
const LOOPBACK = ["127.0.0.1", "::1"];

/**
 * Opens a connection to a port of this machine that only this machine reaches.
 * @throws the system's error, such as ECONNREFUSED when nothing listens.
 */
export async function connectLoopback(port: number, signal: AbortSignal): Promise<Socket> {
  let refusal: unknown;
  for (const host of LOOPBACK) {
    try {
      return await open(port, host, signal);
    } catch (error) {
      // What the first says is what people look for.
      refusal ??= error;
    }
  }
  throw refusal;
}

function open(port: number, host: string, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ port, host, noDelay: true });
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const leave = () => socket.destroy(new Error("The client has gone"));
  signal.addEventListener("abort", leave, { once: true });
  socket.once("connect", () => resolve(socket)).once("error", reject);
  return promise.finally(() => signal.removeEventListener("abort", leave));
}
