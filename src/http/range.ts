import { HttpFault } from "./fault.ts";

/** A stretch of a file: `end` is the first byte after it. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * What a Range header asks for of `size` bytes. Several ranges at once, and units other than bytes, count as no
 * range, which RFC 9110 (14.2) allows.
 * @throws HttpFault `range_not_satisfiable` for a range behind the end.
 */
export function parseRange(header: string | null, size: number): ByteRange | undefined {
  const match = /^bytes=(?:(\d+)-(\d*)|-(\d+))$/.exec(header?.trim() ?? "");
  if (match === null) return undefined;
  const [, first, last = "", suffix] = match;
  const start = first === undefined ? Math.max(0, size - Number(suffix)) : Number(first);
  const end = last === "" ? size : Math.min(size, Number(last) + 1);
  if (last !== "" && Number(last) < start) return undefined;
  if (start < end) return { start, end };
  throw new HttpFault("range_not_satisfiable", `There are no bytes ${header ?? ""} in a file of ${size}`, {
    "Content-Range": `bytes */${size}`,
  });
}

/** Whether a list of ETags names this one; `*` names any. W/ is left out of the comparison where weak. */
export function namesEtag(list: string, etag: string | undefined, compare: "weak" | "strong"): boolean {
  if (etag === undefined) return false;
  if (list.trim() === "*") return true;
  const plain = (text: string) => (compare === "weak" ? text.replace(/^W\//, "") : text);
  const given = list.match(/(?:W\/)?"[^"]*"/g) ?? [list.trim()];
  return given.some((one) => plain(one) === plain(etag));
}

/** A Content-Disposition that every client reads, whatever is in the name (RFC 6266, RFC 8187). */
export function attachment(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
