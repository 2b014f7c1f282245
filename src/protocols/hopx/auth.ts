import { HttpFault } from "../../http/fault.ts";
import { bearerToken, equalSecrets } from "../../http/tokens.ts";
import type { Credential, HopxContext } from "./context.ts";

/** Lets a request in or throws (contracts/hopx-agent.md, 1.2 and 13.1). */
export async function authenticate(
  request: Request,
  credential: Credential,
  context: HopxContext,
): Promise<void> {
  const { headers } = request;
  const bearer = bearerToken(headers);
  const apiKey = headers.get("x-api-key") ?? undefined;
  switch (credential) {
    case "none":
      return;
    case "api_key":
      checkApiKey(apiKey ?? bearer, context);
      return;
    case "page":
      return checkPage(headers, bearer, context);
    case "ticket":
      // A token, where there is one, says more than a ticket does.
      if (bearer === undefined && context.tickets.isOffered(request)) {
        context.tickets.admit(request);
        return;
      }
      return authenticate(request, "token", context);
    case "token":
      if (bearer !== undefined) return context.tokens.check(bearer);
      if (apiKey !== undefined) {
        checkApiKey(apiKey, context);
        return;
      }
      if (context.browserSessions.isOffered(request)) {
        context.browserSessions.check(request);
        return;
      }
      throw new HttpFault(
        "credential_missing",
        "Authentication required: send the header Authorization: Bearer <token>",
      );
  }
}

function checkApiKey(given: string | undefined, context: HopxContext): void {
  if (given === undefined) {
    throw new HttpFault("credential_missing", "Authentication required: send the header X-API-Key");
  }
  if (!equalSecrets(given, context.apiKey)) throw new HttpFault("credential_invalid", "Invalid API key");
}

/** A browser cannot be told to send a Bearer token with a page, but asks its user for a password. */
async function checkPage(headers: Headers, bearer: string | undefined, context: HopxContext): Promise<void> {
  const basic = /^Basic\s+(\S+)\s*$/i.exec(headers.get("authorization") ?? "")?.[1];
  const password =
    basic === undefined
      ? undefined
      : Buffer.from(basic, "base64")
          .toString()
          .replace(/^[^:]*:/, "");
  const token = bearer ?? password;
  const challenge = { "WWW-Authenticate": 'Basic realm="Sanderling: any user name, a token as password"' };
  if (token === undefined) {
    throw new HttpFault(
      "credential_missing",
      "Authentication required: send a token as Bearer or as the password of HTTP Basic",
      challenge,
    );
  }
  try {
    await context.tokens.check(token);
  } catch (error) {
    if (error instanceof HttpFault) throw new HttpFault(error.kind, error.message, challenge);
    throw error;
  }
}
