import { HttpFault } from "../../http/fault.ts";
import { equalSecrets } from "../../http/tokens.ts";
import type { Credential, ExecdContext } from "./context.ts";

/** Lets a request in or throws (contracts/opensandbox-execd.md, 1.3 and 17.1). */
export function authenticate(
  { headers }: Request,
  credential: Credential,
  { accessToken, apiKey }: ExecdContext,
): void {
  switch (credential) {
    case "none":
      return;
    case "token":
      check(headers.get("x-execd-access-token"), accessToken, "X-EXECD-ACCESS-TOKEN");
      return;
    case "page":
      checkPage(headers, accessToken);
      return;
    case "api_key":
      check(headers.get("open-sandbox-api-key"), apiKey, "OPEN-SANDBOX-API-KEY");
  }
}

function check(given: string | null, expected: string, header: string): void {
  if (given !== null && equalSecrets(given, expected)) return;
  const kind = given === null ? "credential_missing" : "credential_invalid";
  throw new HttpFault(kind, `Unauthorized: invalid or missing header ${header}`);
}

/** Browsers ask their user for a password; everything else on the page's origin stays as it is. */
function checkPage(headers: Headers, accessToken: string): void {
  const header = headers.get("x-execd-access-token");
  const basic = /^Basic\s+(\S+)\s*$/i.exec(headers.get("authorization") ?? "")?.[1];
  const password =
    basic &&
    Buffer.from(basic, "base64")
      .toString("utf8")
      .replace(/^[^:]*:/, "");
  const given = header ?? password;
  if (given !== undefined && equalSecrets(given, accessToken)) return;
  throw new HttpFault(
    given === undefined ? "credential_missing" : "credential_invalid",
    "Unauthorized: send the access token as X-EXECD-ACCESS-TOKEN or as the password of HTTP Basic",
    { "WWW-Authenticate": 'Basic realm="Sanderling: any user name, the access token as password"' },
  );
}
