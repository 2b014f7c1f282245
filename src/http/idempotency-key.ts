import { createHash } from "node:crypto";
import { z } from "zod";
import { HttpFault } from "./fault.ts";
import type { RouteInput } from "./route.ts";

const HEADER = "Idempotency-Key";
const MOST_LENGTH = 255;

/** What makes a request the same as an earlier one. */
export interface KeyedRequest {
  readonly key: string;
  /** Of the route and everything it was given. */
  readonly fingerprint: string;
}

/** For the API's document. */
export const idempotencyHeaders = z.object({
  [HEADER]: z
    .string()
    .max(MOST_LENGTH)
    .optional()
    .describe("A repeat with the same key and body gets the answer of the first and runs nothing"),
});

/** @throws HttpFault `invalid_input` for a key that is empty, too long or has other than visible characters. */
export function keyOf(headers: Headers): string | undefined {
  const key = headers.get(HEADER) ?? undefined;
  if (key === undefined || /^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw new HttpFault(
    "invalid_input",
    `${HEADER}: expected 1 to ${MOST_LENGTH} visible ASCII characters without spaces`,
  );
}

/** The order in which a client writes the fields does not matter; fields that no route knows do not either. */
export function fingerprintOf(
  route: { readonly method: string; readonly path: string },
  input: RouteInput<unknown, unknown, unknown>,
): string {
  const hash = createHash("sha256").update(`${route.method} ${route.path}\n`);
  return hash.update(JSON.stringify(input, sortKeys)).digest("hex");
}

function sortKeys(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries);
}
