import type { MimeBundle } from "../run.ts";

/** Beside a bundle of which something was left out: bytes by MIME type. */
export const OMITTED_TYPE = "application/vnd.sanderling.omitted+json";

/** Bytes that a value takes, told as JSON. */
export function bundleBytes(data: MimeBundle): number {
  return Object.values(data).reduce<number>((sum, value) => sum + valueBytes(value), 0);
}

/**
 * A bundle whose values are each at most `limit` bytes. Text is cut, with a mark at its end; what would be broken
 * by a cut (images, JSON, HTML) is left out, and both the text form and a type of its own say so.
 */
export function boundBundle(data: MimeBundle, limit: number): MimeBundle {
  const entries = Object.entries(data);
  const large = entries.filter(([, value]) => valueBytes(value) > limit);
  if (large.length === 0) return data;
  const kept = Object.fromEntries(entries.filter((entry) => !large.includes(entry)));
  const omitted = Object.fromEntries(large.map(([type, value]) => [type, valueBytes(value)]));
  return { ...kept, "text/plain": boundText(data["text/plain"], limit, omitted), [OMITTED_TYPE]: omitted };
}

function boundText(value: unknown, limit: number, omitted: Readonly<Record<string, number>>): string {
  const text = typeof value === "string" ? value : "";
  const shown = Buffer.byteLength(text) > limit ? cut(text, limit) : text;
  const marks = Object.entries(omitted).map(([type, bytes]) =>
    type === "text/plain"
      ? `[${Buffer.byteLength(shown)} of ${bytes} bytes shown]`
      : `[${type} left out: ${bytes} bytes, more than ${limit}]`,
  );
  return [shown, ...marks].filter(Boolean).join("\n");
}

/** The first `limit` bytes, without half a character at the end. */
function cut(text: string, limit: number): string {
  const bytes = Buffer.from(text).subarray(0, limit);
  return new TextDecoder().decode(bytes).replace(/\uFFFD$/, "");
}

function valueBytes(value: unknown): number {
  return Buffer.byteLength(typeof value === "string" ? value : JSON.stringify(value));
}
