import { HttpFault } from "../../http/fault.ts";
import type { Message } from "../../http/websocket.ts";

/**
 * The JSON object of a message; undefined for a blank one, which means nothing.
 * @throws HttpFault `invalid_json`.
 */
export function parseMessage(message: Message): Record<string, unknown> | undefined {
  const text = typeof message === "string" ? message : new TextDecoder().decode(message);
  if (text.trim() === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HttpFault("invalid_json", "A message must be JSON");
  }
  // What JSON gives for braces has string keys only.
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new HttpFault("invalid_json", "A message must be a JSON object");
}
