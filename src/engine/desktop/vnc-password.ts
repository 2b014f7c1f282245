import { createCipheriv, randomInt } from "node:crypto";
import { EngineError } from "../error.ts";

/** All that the RFB protocol's authentication looks at (RFC 6143, 7.2.2). */
export const MOST_PASSWORD_BYTES = 8;
const LEAST_PASSWORD_BYTES = 6;
/** Without those that look like others. */
const ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/** The key of password files, which is the same everywhere and hides a password from a glance only. */
const FILE_KEY = [23, 82, 107, 6, 35, 78, 88, 7];

export function randomPassword(): string {
  const pick = () => ALPHABET[randomInt(ALPHABET.length)] ?? "a";
  return Array.from({ length: MOST_PASSWORD_BYTES }, pick).join("");
}

/** @throws EngineError `invalid` for one that could be guessed or is not all looked at. */
export function checkPassword(password: string): void {
  const { length } = new TextEncoder().encode(password);
  if (length >= LEAST_PASSWORD_BYTES && length <= MOST_PASSWORD_BYTES) return;
  throw new EngineError(
    "invalid",
    `Cannot use a VNC password of ${length} bytes: the protocol knows ${LEAST_PASSWORD_BYTES} to ${MOST_PASSWORD_BYTES}`,
  );
}

/** What the server reads: the password of those who may use the display, and of those who may only look. */
export function passwordFile(full: string, viewOnly: string): Uint8Array {
  return Buffer.concat([full, viewOnly].map(obscure));
}

function obscure(password: string): Buffer {
  const block = Buffer.alloc(MOST_PASSWORD_BYTES);
  block.set(new TextEncoder().encode(password));
  const cipher = createCipheriv("des-ecb", Buffer.from(FILE_KEY.map(mirror)), null).setAutoPadding(false);
  return Buffer.concat([cipher.update(block), cipher.final()]);
}

/** VNC takes the bits of each byte of a key in reverse. */
function mirror(byte: number): number {
  return Array.from({ length: 8 }, (_, bit) => ((byte >> bit) & 1) << (7 - bit)).reduce((a, b) => a | b, 0);
}
