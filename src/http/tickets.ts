import { createHash, randomBytes } from "node:crypto";
import { HttpFault } from "./fault.ts";

/** What one ticket is good for. */
export interface TicketGrant {
  /** The one path it opens. */
  readonly path: string;
  /** Parameters that the address must carry with these very values, such as the id of a session. */
  readonly query: Readonly<Record<string, string>>;
  /** Its bearer may look and not touch; the route that it opens holds to that. */
  readonly viewOnly: boolean;
}

export interface IssuedTicket {
  readonly ticket: string;
  readonly expiresAt: Date;
}

/** The query parameter that carries a ticket. */
export const TICKET_PARAMETER = "ticket";
/** Tickets that may wait to be used; of more the oldest is forgotten, so that nobody is locked out for ever. */
const MOST_WAITING = 1024;

/**
 * Stand-ins for a token where none can be sent: a browser sets no headers on a WebSocket, and a token in an
 * address ends up in logs. A ticket opens one path once, within seconds, and is worth nothing afterwards.
 */
export class Tickets {
  /** By digest, so that finding one takes no time that depends on how much of a guess was right. */
  readonly #waiting = new Map<string, { readonly grant: TicketGrant; readonly expiresMs: number }>();
  readonly #admitted = new WeakMap<Request, TicketGrant>();

  issue(grant: TicketGrant, ttlMs: number): IssuedTicket {
    const ticket = randomBytes(32).toString("base64url");
    const expiresMs = Date.now() + ttlMs;
    if (this.#waiting.size >= MOST_WAITING) this.#forgetOne();
    this.#waiting.set(digest(ticket), { grant, expiresMs });
    return { ticket, expiresAt: new Date(expiresMs) };
  }

  /** Whether a request comes with a ticket instead of a token. */
  isOffered(request: Request): boolean {
    return new URL(request.url).searchParams.has(TICKET_PARAMETER);
  }

  /**
   * Takes the ticket of a request, which is spent by that whatever comes of it.
   * @throws HttpFault `credential_invalid` or `credential_expired`.
   */
  admit(request: Request): void {
    const { pathname, searchParams } = new URL(request.url);
    const key = digest(searchParams.get(TICKET_PARAMETER) ?? "");
    const found = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (found === undefined) throw new HttpFault("credential_invalid", "Unknown ticket, or one used before");
    if (found.expiresMs <= Date.now()) throw new HttpFault("credential_expired", "Ticket expired");
    const { path, query } = found.grant;
    const isItsOwn =
      path === pathname &&
      Object.entries(query).every(([name, value]) => {
        const given = searchParams.getAll(name);
        return given.length === 1 && given[0] === value;
      });
    if (!isItsOwn) throw new HttpFault("credential_invalid", "This ticket is for another address");
    this.#admitted.set(request, found.grant);
  }

  /** What the ticket allows that let this request in; undefined when a token did. */
  grantOf(request: Request): TicketGrant | undefined {
    return this.#admitted.get(request);
  }

  #forgetOne(): void {
    const now = Date.now();
    for (const [key, { expiresMs }] of this.#waiting) if (expiresMs <= now) this.#waiting.delete(key);
    if (this.#waiting.size >= MOST_WAITING) this.#waiting.delete(this.#waiting.keys().next().value ?? "");
  }
}

function digest(ticket: string): string {
  return createHash("sha256").update(ticket).digest("base64url");
}
