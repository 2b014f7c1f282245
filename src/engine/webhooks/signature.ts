import { createHmac } from "node:crypto";

/**
 * The headers that let a receiver tell who sent a callback and when: `Timestamp` always (unix seconds), and with
 * a secret `Signature` over the timestamp immediately followed by the body (contracts/hopx-agent.md, 14.29) and
 * `Body-Signature` over the body alone, for receivers that follow the other published text.
 */
export function signatureHeaders(
  prefix: string,
  body: string,
  secret: string | null,
  now = Date.now(),
): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000));
  const headers = { [`${prefix}Timestamp`]: timestamp };
  if (secret === null) return headers;
  const sign = (text: string) => `sha256=${createHmac("sha256", secret).update(text).digest("hex")}`;
  return {
    ...headers,
    [`${prefix}Signature`]: sign(timestamp + body),
    [`${prefix}Body-Signature`]: sign(body),
  };
}
