import { attachment, namesEtag, parseRange, type ByteRange } from "./range.ts";

/** An open file that is to be sent; whoever sends it closes it. */
export interface SentFile {
  readonly handle: { readonly fd: number; close(): Promise<void> };
  readonly name: string;
  readonly size: number;
  readonly etag: string;
  readonly modified: Date;
}

/** What a Range header asks for; undefined: the whole file. */
export type RangeReader = (header: string | null, size: number) => ByteRange | undefined;

/**
 * The runtime opens a file that it is to send when the answer reaches it, in the same turn of the event loop;
 * until then ours is held open.
 */
const HELD_MS = 1000;

/**
 * The bytes of a file, or the range asked for, with the conditions of the request heeded (RFC 9110, 13 and 14).
 * Takes the file over.
 * @throws HttpFault `range_not_satisfiable`.
 */
export async function answerFile(
  { handle, name, size, etag, modified }: SentFile,
  request: Request,
  readRange: RangeReader = parseRange,
): Promise<Response> {
  let isLent = false;
  try {
    const headers: Record<string, string> = {
      "Content-Type": "application/octet-stream",
      "Content-Disposition": attachment(name),
      "X-Content-Type-Options": "nosniff",
      "Accept-Ranges": "bytes",
      "Last-Modified": modified.toUTCString(),
      ETag: etag,
    };
    if (isUnchanged(request.headers, etag, modified)) return new Response(null, { status: 304, headers });
    const range = isRangeWanted(request.headers, etag) && readRange(request.headers.get("range"), size);
    const { start, end } = range || { start: 0, end: size };
    if (range) headers["Content-Range"] = `bytes ${start}-${end - 1}/${size}`;
    const status = range ? 206 : 200;
    if (request.method === "HEAD" || start === end)
      return new Response(null, { status, headers: { ...headers, "Content-Length": String(end - start) } });
    isLent = true;
    // Through the open file and not by its path, which may lead elsewhere by now.
    const file = Bun.file(`/proc/self/fd/${handle.fd}`);
    return new Response(file.slice(start, end), { status, headers });
  } finally {
    if (isLent) setTimeout(() => void handle.close(), HELD_MS);
    else await handle.close();
  }
}

/** If-None-Match rules; without it, If-Modified-Since (RFC 9110, 13.2.2). */
function isUnchanged(headers: Headers, etag: string, modified: Date): boolean {
  const known = headers.get("if-none-match");
  if (known !== null) return namesEtag(known, etag, "weak");
  const since = Date.parse(headers.get("if-modified-since") ?? "");
  return Math.floor(modified.getTime() / 1000) * 1000 <= since;
}

/** A range of another content than the one the client has the beginning of would make a broken file. */
function isRangeWanted(headers: Headers, etag: string): boolean {
  const condition = headers.get("if-range");
  return condition === null || namesEtag(condition, etag, "strong");
}
