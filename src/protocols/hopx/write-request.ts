import type { WriteRequest } from "../../engine/files/write.ts";
import { namesEtag } from "../../http/range.ts";

export interface WriteFields {
  readonly path: string;
  readonly mode?: number | null | undefined;
  readonly overwrite: boolean;
}

/** Client libraries send this mode with every write, so it does not tell that somebody wants it. */
const UNASKED_MODE = 0o644;

/** A write in the engine's words, with the conditions of its headers (RFC 9110, 13.1). */
export function toWriteRequest({ path, mode, overwrite }: WriteFields, headers: Headers): WriteRequest {
  const [match, noneMatch] = [headers.get("if-match"), headers.get("if-none-match")];
  const precondition = (etag: string | undefined) =>
    (match === null || namesEtag(match, etag, "strong")) &&
    (noneMatch === null || !namesEtag(noneMatch, etag, "weak"));
  return {
    path,
    overwrite,
    mode: mode === UNASKED_MODE ? undefined : (mode ?? undefined),
    precondition: match === null && noneMatch === null ? undefined : precondition,
  };
}
