/** A file name that stands for everything a build depends on. */
export function hashKey(...parts: readonly (string | undefined)[]): string {
  const hash = new Bun.CryptoHasher("sha256");
  for (const part of parts) hash.update(`${part?.length ?? -1}:${part ?? ""}`);
  return hash.digest("hex").slice(0, 32);
}
