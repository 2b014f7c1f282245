import { HttpFault } from "./fault.ts";

/**
 * A request's body piece by piece. A piece's memory is given back when the next one is asked for: a large
 * upload would otherwise leave it to the garbage collector, which waits for tens of megabytes.
 * @throws HttpFault `body_too_large`, or `body_incomplete` when the client has gone.
 */
export async function* readChunks(request: Request, maxBytes: number): AsyncGenerator<Uint8Array> {
  const refuse = (): never => {
    throw new HttpFault("body_too_large", `The request body is larger than the limit of ${maxBytes} bytes`);
  };
  const declared = request.headers.get("content-length");
  if (Number(declared ?? 0) > maxBytes) refuse();
  let length = 0;
  const body: AsyncIterable<Uint8Array<ArrayBuffer>> | undefined = request.body ?? undefined;
  try {
    for await (const chunk of body ?? []) {
      length += chunk.byteLength;
      if (length > maxBytes) refuse();
      yield chunk;
      release(chunk);
    }
  } catch (error) {
    throw error instanceof HttpFault || !request.signal.aborted ? error : bodyIncomplete();
  }
  if (declared !== null && length < Number(declared)) throw bodyIncomplete();
}

/** The client has gone before it had sent all. */
export function bodyIncomplete(): HttpFault {
  return new HttpFault("body_incomplete", "The request body ended before it was whole");
}

/** Moving a buffer's memory to a new one of no length frees it at once. */
function release({ buffer, byteLength }: Uint8Array<ArrayBuffer>): void {
  if (buffer.byteLength === byteLength) buffer.transfer(0);
}
