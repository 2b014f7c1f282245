import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** What one signed address is good for: one method on one path until a time. */
export interface SignedGrant {
  readonly method: "GET" | "PUT";
  readonly path: string;
  /** Seconds since 1970. */
  readonly expires: number;
}

/** Signs what an address lets its bearer do (HMAC-SHA256), so that it needs no token. */
export class UrlSigner {
  readonly #key: Uint8Array;

  /** @param scope Whom signatures are for: another sandbox with the same secret does not accept them. */
  constructor(secret: string, scope: string) {
    this.#key = new Uint8Array(hkdfSync("sha256", secret, scope, "sanderling signed address 1", 32));
  }

  /** 43 characters that an address can carry as they are. */
  sign({ method, path, expires }: SignedGrant): string {
    // A list in JSON, so that no two grants are ever the same text.
    const text = JSON.stringify([method, path, expires]);
    return createHmac("sha256", this.#key).update(text).digest("base64url");
  }

  /** Whether a signature is the grant's own, without telling by its time how much of a guess was right. */
  verify(grant: SignedGrant, signature: string): boolean {
    const [expected, given] = [Buffer.from(this.sign(grant)), Buffer.from(signature)];
    return expected.byteLength === given.byteLength && timingSafeEqual(expected, given);
  }
}
