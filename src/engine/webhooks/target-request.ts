import { EngineError } from "../error.ts";

/** Where a callback goes and what goes with it. Headers and secret are the receiver's, and never logged. */
export interface WebhookTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly secret: string | undefined;
  /** Begins the names of the headers made here; belongs to the protocol, for example `X-HopX-`. */
  readonly headerPrefix: string;
}

const MOST_HEADERS = 64;
const MOST_HEADER_BYTES = 16 * 1024;
const MOST_URL_LENGTH = 4096;

/** They belong to one connection (RFC 9110, 7.6.1), or are what the sender itself must get right. */
const REFUSED_HEADERS = [
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** @throws EngineError `invalid` that names the part that cannot be used. */
export function checkTarget({ url, headers, headerPrefix }: WebhookTarget): URL {
  const parsed = checkUrl(url);
  const entries = Object.entries(headers);
  const size = entries.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (entries.length > MOST_HEADERS || size > MOST_HEADER_BYTES) {
    throw new EngineError(
      "invalid",
      `Cannot send more than ${MOST_HEADERS} headers or ${MOST_HEADER_BYTES} bytes of them`,
    );
  }
  for (const [name, value] of entries) checkHeader(name, value, headerPrefix);
  return parsed;
}

/** The value may be a credential and is not repeated. */
function checkHeader(name: string, value: string, headerPrefix: string): void {
  const refuse = (reason: string): never => {
    throw new EngineError("invalid", `Cannot send the callback header ${JSON.stringify(name)}: ${reason}`);
  };
  const lower = name.toLowerCase();
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) refuse("not a valid name");
  if (REFUSED_HEADERS.includes(lower)) refuse("it belongs to the connection, not to the message");
  if (lower.startsWith(headerPrefix.toLowerCase())) refuse("names that begin so are made by the sender");
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) refuse("its value has characters that no header can carry");
}

function checkUrl(text: string): URL {
  const refuse = (reason: string): never => {
    throw new EngineError("invalid", `Invalid callback URL: ${reason}`);
  };
  if (text.length > MOST_URL_LENGTH) refuse(`longer than ${MOST_URL_LENGTH} characters`);
  const url = URL.parse(text);
  if (url === null) return refuse("expected an absolute address such as https://app.example/hook");
  if (url.protocol !== "http:" && url.protocol !== "https:") refuse("expected http or https");
  if (url.username !== "" || url.password !== "") refuse("credentials belong in a header");
  return url;
}
