import { bodyIncomplete, readChunks } from "./chunks.ts";
import { HttpFault } from "./fault.ts";

/**
 * Reads a JSON body, whatever its content type says. An empty body is an empty object: a client library sends
 * `Content-Type: application/json` on every request, also where it has no body (contracts/hopx-agent.md, 1.3).
 * @param parse Throws a SyntaxError for what is no JSON.
 * @throws HttpFault `body_too_large`, `invalid_json`, or `body_incomplete` when the client has gone.
 */
export async function readJson(
  request: Request,
  maxBytes: number,
  parse: (text: string) => unknown,
): Promise<unknown> {
  const text = new TextDecoder().decode(await readBytes(request, maxBytes));
  if (text.trim() === "") return {};
  try {
    return parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new HttpFault("invalid_json", `The request body is not valid JSON: ${reason}`);
  }
}

/** @throws HttpFault `body_too_large` as soon as the limit is passed, without reading the rest. */
async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const declared = Number(request.headers.get("content-length") ?? 0);
  // With a declared length the runtime never gives more than that.
  if (declared > 0 && declared <= maxBytes) {
    return request.bytes().catch((error: unknown) => {
      throw request.signal.aborted ? bodyIncomplete() : error;
    });
  }
  const parts: Uint8Array[] = [];
  // Copied: the memory of a piece is given back when the next one comes.
  for await (const part of readChunks(request, maxBytes)) parts.push(part.slice());
  return Buffer.concat(parts);
}
