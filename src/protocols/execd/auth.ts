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
    case "api_key":
      check(headers.get("open-sandbox-api-key"), apiKey, "OPEN-SANDBOX-API-KEY");
  }
}

function check(given: string | null, expected: string, header: string): void {
  if (given !== null && equalSecrets(given, expected)) return;
  const kind = given === null ? "credential_missing" : "credential_invalid";
  throw new HttpFault(kind, `Unauthorized: invalid or missing header ${header}`);
}
