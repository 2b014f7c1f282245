import { HttpFault } from "./fault.ts";

/**
 * Reads a JSON body, whatever its content type says. An empty body is an empty object: a client library sends
 * `Content-Type: application/json` on every request, also where it has no body (contracts/hopx-agent.md, 1.3).
 * @throws HttpFault `body_too_large` or `invalid_json`.
 */
export async function readJson(request: Request, maxBytes: number): Promise<unknown> {
  const text = new TextDecoder().decode(await readBytes(request, maxBytes));
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new HttpFault("invalid_json", `The request body is not valid JSON: ${reason}`);
  }
}

/** @throws HttpFault `body_too_large` as soon as the limit is passed, without reading the rest. */
async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const refuse = (): never => {
    throw new HttpFault("body_too_large", `The request body is larger than the limit of ${maxBytes} bytes`);
  };
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > maxBytes) refuse();
  // With a declared length the runtime never gives more than that.
  if (declared > 0) return request.bytes();
  const parts: Uint8Array[] = [];
  let length = 0;
  const body: AsyncIterable<Uint8Array> | undefined = request.body ?? undefined;
  for await (const part of body ?? []) {
    length += part.byteLength;
    if (length > maxBytes) refuse();
    parts.push(part);
  }
  return Buffer.concat(parts, length);
}
