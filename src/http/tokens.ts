import { createPublicKey, timingSafeEqual, createHash } from "node:crypto";
import {
  createLocalJWKSet,
  errors,
  importSPKI,
  jwtVerify,
  SignJWT,
  type JWK,
  type JWTVerifyGetKey,
} from "jose";
import { HttpFault } from "./fault.ts";

export interface TokenOptions {
  /** Shared secret of HS256 tokens. */
  readonly secret: string | undefined;
  /** Public key as PEM, or a key set as JSON (RFC 7517), of tokens that somebody else issues. */
  readonly publicKey: string | undefined;
  readonly audience: string | undefined;
  readonly sandboxId: string;
  readonly requireSandboxId: boolean;
}

export interface MintedToken {
  readonly token: string;
  readonly expiresAt: Date;
}

/** Clocks of two machines differ a little. */
const LEEWAY_SECONDS = 5;
const SYMMETRIC = ["HS256"];
const ASYMMETRIC = ["EdDSA", "ES256", "RS256"];
const REMEMBERED = 256;

type Verify = (token: string) => Promise<number>;

/**
 * Checks and issues JSON Web Tokens (RFC 7519). Each kind of key has its own list of algorithms, and a token's
 * header chooses between the kinds only, so that a public key is never used as a shared secret (RFC 8725, 3.1).
 */
export class Tokens {
  readonly #options: TokenOptions;
  readonly #symmetric: Verify | undefined;
  readonly #asymmetric: Verify | undefined;
  /** Expiry in seconds of tokens that were found good; bounded, oldest out. */
  readonly #known = new Map<string, number>();
  #lastExpiry = 0;

  /** @throws Error when the public key cannot be read. */
  constructor(options: TokenOptions) {
    this.#options = options;
    if (options.secret !== undefined) {
      const key = new TextEncoder().encode(options.secret);
      this.#symmetric = (token) => this.#verify(token, () => Promise.resolve(key), SYMMETRIC);
    }
    if (options.publicKey !== undefined) {
      const getKey = publicKeys(options.publicKey);
      this.#asymmetric = (token) => this.#verify(token, getKey, ASYMMETRIC);
    }
  }

  get canMint(): boolean {
    return this.#options.secret !== undefined;
  }

  /**
   * Checks signature, algorithm, times, audience and sandbox.
   * @throws HttpFault `credential_expired` or `credential_invalid`.
   */
  async check(token: string): Promise<void> {
    const now = Date.now() / 1000;
    const known = this.#known.get(token);
    if (known !== undefined && known + LEEWAY_SECONDS > now) return;
    const algorithm = algorithmOf(token);
    if (algorithm === undefined) throw invalid("it is no JSON Web Token");
    const verify = SYMMETRIC.includes(algorithm) ? this.#symmetric : this.#asymmetric;
    if (verify === undefined) throw invalid(`its algorithm, ${algorithm}, is not accepted here`);
    const expiry = await verify(token);
    if (this.#known.size >= REMEMBERED) this.#known.delete(this.#known.keys().next().value ?? "");
    this.#known.set(token, expiry);
  }

  /** When a token ends that is good now. @throws HttpFault as `check`. */
  async expiryOf(token: string): Promise<Date> {
    await this.check(token);
    return new Date((this.#known.get(token) ?? 0) * 1000);
  }

  /** Issues a token for this sandbox. Each expires later than the one before, which a client relies on. */
  async mint(ttlSeconds: number, sandboxId = this.#options.sandboxId): Promise<MintedToken> {
    if (this.#options.secret === undefined)
      throw new Error("Cannot issue a token: only a public key is configured");
    const now = Math.floor(Date.now() / 1000);
    const expiry = Math.max(now + ttlSeconds, this.#lastExpiry + 1);
    this.#lastExpiry = expiry;
    const jwt = new SignJWT({ sandbox_id: sandboxId })
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .setSubject(sandboxId)
      .setIssuedAt(now)
      .setExpirationTime(expiry);
    if (this.#options.audience !== undefined) jwt.setAudience(this.#options.audience);
    const token = await jwt.sign(new TextEncoder().encode(this.#options.secret));
    return { token, expiresAt: new Date(expiry * 1000) };
  }

  async #verify(token: string, getKey: JWTVerifyGetKey, algorithms: string[]): Promise<number> {
    const { audience, sandboxId, requireSandboxId } = this.#options;
    try {
      const { payload } = await jwtVerify(token, getKey, {
        algorithms,
        clockTolerance: LEEWAY_SECONDS,
        requiredClaims: ["exp"],
        ...(audience === undefined ? {} : { audience }),
      });
      const named = payload["sandbox_id"];
      if (named === undefined ? requireSandboxId : named !== sandboxId)
        throw invalid("it is not for this sandbox");
      return payload.exp ?? 0;
    } catch (error) {
      if (error instanceof HttpFault) throw error;
      if (error instanceof errors.JWTExpired) throw new HttpFault("credential_expired", "Token expired");
      if (error instanceof errors.JOSEError) throw invalid(error.message);
      throw error;
    }
  }
}

/** Compares without telling by its time how much of a guess was right. */
export function equalSecrets(one: string, other: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

/** The token of an `Authorization: Bearer` header. */
export function bearerToken(headers: Headers): string | undefined {
  return /^Bearer\s+(\S+)\s*$/i.exec(headers.get("authorization") ?? "")?.[1];
}

function invalid(reason: string): HttpFault {
  return new HttpFault("credential_invalid", `Invalid token: ${reason}`);
}

/** undefined for what is no JSON Web Token. */
function algorithmOf(token: string): string | undefined {
  try {
    const header: unknown = JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString());
    if (typeof header === "object" && header !== null && "alg" in header) return String(header.alg);
  } catch {
    // Said by the caller.
  }
  return undefined;
}

function publicKeys(text: string): JWTVerifyGetKey {
  if (text.trimStart().startsWith("{")) {
    const parsed = JSON.parse(text) as { keys?: JWK[] };
    return createLocalJWKSet({ keys: parsed.keys ?? [parsed as JWK] });
  }
  const algorithm = algorithmOfKey(text);
  const key = importSPKI(text, algorithm);
  return async (header) => {
    if (header.alg !== algorithm) throw invalid(`expected ${algorithm}, got ${String(header.alg)}`);
    return key;
  };
}

function algorithmOfKey(pem: string): string {
  const type = createPublicKey(pem).asymmetricKeyType ?? "unknown";
  const algorithms: Readonly<Record<string, string>> = { ed25519: "EdDSA", ec: "ES256", rsa: "RS256" };
  const algorithm = algorithms[type];
  if (algorithm === undefined)
    throw new Error(`Cannot use a public key of the type ${type}: expected ed25519, ec or rsa`);
  return algorithm;
}
