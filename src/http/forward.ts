import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { endToEnd } from "./forward-headers.ts";
import { connectLoopback } from "./loopback.ts";
import { streamOf } from "./stream.ts";

export interface ForwardTarget {
  /** On this machine's loopback. */
  readonly port: number;
  /** With the query, exactly as it is to be sent. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The target does not listen, or did not answer in HTTP. */
export class ForwardFailure extends Error {
  override readonly name = "ForwardFailure";
}

/**
 * The runtime tells the length of a body only when it has all of it; a larger one goes on as it comes, chunked
 * (RFC 9112, 7.1). A declared length of no more than this is kept.
 */
const MOST_WHOLE_BYTES = 256 * 1024;

/** Answers that have no body, whatever their headers say (RFC 9110, 6.4.1). */
const WITHOUT_BODY = [204, 205, 304];

/**
 * Sends a request on and gives what comes back, both while they arrive and no faster than they are taken. The
 * connection to the target ends with the answer, and when the client leaves. Not `fetch`: that goes through the
 * proxy of the environment, follows its own rules for paths and unpacks what is compressed.
 * @throws ForwardFailure when there is no answer.
 */
export async function forward(request: Request, target: ForwardTarget): Promise<Response> {
  const socket = await connectLoopback(target.port, request.signal).catch((cause: unknown) => {
    throw new ForwardFailure(`Nothing answers on port ${target.port}: ${explain(cause)}`, { cause });
  });
  const leave = () => socket.destroy();
  request.signal.addEventListener("abort", leave, { once: true });
  try {
    const incoming = await exchange(request, target, socket);
    return await toResponse(request.method, incoming, socket);
  } catch (cause) {
    socket.destroy();
    throw new ForwardFailure(`Port ${target.port} gave no answer: ${explain(cause)}`, { cause });
  }
}

function exchange(
  request: Request,
  { path, headers }: ForwardTarget,
  socket: Socket,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const upstream = httpRequest({
    createConnection: () => socket,
    method: request.method,
    path,
    headers: { ...headers, connection: "close" },
    setHost: false,
  });
  upstream.once("response", resolve).on("error", reject);
  // A target that answers before it has everything has heard enough.
  sendBody(request, upstream).catch((error: unknown) => reject(error));
  return promise;
}

async function sendBody(request: Request, upstream: ClientRequest): Promise<void> {
  const body: AsyncIterable<Uint8Array> | undefined = request.body ?? undefined;
  try {
    for await (const chunk of body ?? []) if (!upstream.write(chunk)) await drained(upstream);
    upstream.end();
  } catch (error) {
    upstream.destroy();
    throw error;
  }
}

/** Settles when there is room again, or will never be any. */
function drained(upstream: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ["drain", "close", "error"]) upstream.off(event, done);
      resolve();
    };
    for (const event of ["drain", "close", "error"]) upstream.on(event, done);
  });
}

async function toResponse(method: string, incoming: IncomingMessage, socket: Socket): Promise<Response> {
  const { statusCode: status = 502, rawHeaders } = incoming;
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    pairs.push([rawHeaders[at] ?? "", rawHeaders[at + 1] ?? ""]);
  const headers = new Headers(endToEnd(pairs).map(([name, value]) => [name, value]));
  if (method !== "HEAD" && !WITHOUT_BODY.includes(status)) {
    const length = Number(headers.get("content-length") ?? Infinity);
    const pieces = bodyOf(incoming, socket);
    const body = length <= MOST_WHOLE_BYTES ? await whole(pieces, length) : streamOf(pieces);
    return new Response(body, { status, headers });
  }
  socket.destroy();
  return new Response(null, { status, headers });
}

async function whole(pieces: AsyncIterable<Uint8Array>, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const body = new Uint8Array(length);
  let at = 0;
  for await (const piece of pieces) {
    body.set(piece, at);
    at += piece.byteLength;
  }
  if (at < length) throw new Error(`it broke off after ${at} of ${length} bytes`);
  return body;
}

async function* bodyOf(incoming: IncomingMessage, socket: Socket): AsyncGenerator<Uint8Array> {
  // Without an encoding set, pieces are bytes.
  const pieces: AsyncIterable<Uint8Array> = incoming;
  try {
    yield* pieces;
  } finally {
    socket.destroy();
  }
}

function explain(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
