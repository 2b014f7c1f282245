import { EngineError } from "../../engine/error.ts";

/**
 * The bytes of a field `data` in base64.
 * @throws EngineError `invalid` for what is none: half of it would be worse than nothing.
 */
export function decodeBase64(data: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(data);
  } catch {
    throw new EngineError("invalid", "data: not valid base64");
  }
}
