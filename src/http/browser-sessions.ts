import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { HttpFault } from "./fault.ts";

/** The header that carries a session's key. No page of another origin can send it without being asked first. */
export const SESSION_KEY_HEADER = "x-console-key";
const SESSION_MS = 8 * 60 * 60 * 1000;
/** Sessions at once; of more the oldest is ended. */
const MOST_SESSIONS = 64;

export interface BrowserSession {
  /** For the page to keep: worth nothing without the cookie. */
  readonly key: string;
  readonly cookie: string;
  readonly expiresAt: Date;
}

/**
 * Lets a browser in that has shown a token once. A session has two secrets: the cookie, which no script can
 * read, and a key, which the page keeps for its origin. Cookies are shared by all ports of a host, so a program
 * in the sandbox that serves pages is sent the cookie by the very browser; the key it never sees.
 */
export class BrowserSessions {
  readonly #name: string;
  /** By digest of the cookie, so that finding one takes no time that depends on how much of a guess was right. */
  readonly #sessions = new Map<string, { readonly key: Buffer; readonly expiresMs: number }>();

  /** @param sandboxId In the cookie's name: daemons on other ports of a host have cookies of their own. */
  constructor(sandboxId: string) {
    this.#name = `console_${sandboxId}`;
  }

  /** @param notAfter The token's own end. */
  open(notAfter: Date, isSecure: boolean): BrowserSession {
    const [id, key] = [secret(), secret()];
    const expiresMs = Math.min(Date.now() + SESSION_MS, notAfter.getTime());
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size < MOST_SESSIONS) break;
      this.#sessions.delete(oldest);
    }
    this.#sessions.set(digest(id).toString("base64"), { key: digest(key), expiresMs });
    const seconds = Math.max(0, Math.floor((expiresMs - Date.now()) / 1000));
    return { key, cookie: this.#cookie(id, seconds, isSecure), expiresAt: new Date(expiresMs) };
  }

  /** Whether a request comes with a session instead of a token. */
  isOffered(request: Request): boolean {
    return this.#idOf(request) !== undefined;
  }

  /** @throws HttpFault `credential_missing`, `credential_invalid` or `credential_expired`. */
  check(request: Request): void {
    const key = request.headers.get(SESSION_KEY_HEADER);
    if (key === null)
      throw new HttpFault(
        "credential_missing",
        `A session needs its key in the header ${SESSION_KEY_HEADER}`,
      );
    const found = this.#sessions.get(digest(this.#idOf(request) ?? "").toString("base64"));
    if (found === undefined || !timingSafeEqual(found.key, digest(key)))
      throw new HttpFault("credential_invalid", "Unknown session: log in again");
    if (found.expiresMs <= Date.now())
      throw new HttpFault("credential_expired", "The session has ended: log in again");
  }

  /** Ends a request's session. @returns The cookie that makes the browser forget it. */
  close(request: Request, isSecure: boolean): string {
    this.#sessions.delete(digest(this.#idOf(request) ?? "").toString("base64"));
    return this.#cookie("", 0, isSecure);
  }

  #cookie(value: string, seconds: number, isSecure: boolean): string {
    const secure = isSecure ? "; Secure" : "";
    return `${this.#name}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`;
  }

  #idOf({ headers }: Request): string | undefined {
    const start = `${this.#name}=`;
    const parts = (headers.get("cookie") ?? "").split(/;\s*/);
    return parts.find((part) => part.startsWith(start))?.slice(start.length);
  }
}

function secret(): string {
  return randomBytes(32).toString("base64url");
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
