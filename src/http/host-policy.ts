import { hostname } from "node:os";
import { HttpFault } from "./fault.ts";

export interface HostPolicyOptions {
  /** Names besides addresses, localhost and the machine's own. */
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
}

/**
 * Refuses requests that a web page made a browser send here. With DNS rebinding a page's own name resolves to
 * this machine; then the Host header carries that name. An address or a known name cannot be rebound.
 */
export class HostPolicy {
  readonly #names: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  constructor(options: HostPolicyOptions) {
    this.#names = new Set(
      ["localhost", hostname(), ...options.allowedHosts].map((name) => name.toLowerCase()),
    );
    this.#origins = new Set(options.allowedOrigins);
  }

  /** @throws HttpFault `host_refused` or `origin_refused`. */
  check(headers: Headers): void {
    const host = headers.get("host") ?? "";
    const name = nameOf(host);
    if (!this.#isKnown(name)) {
      throw new HttpFault(
        "host_refused",
        `Requests for the host ${JSON.stringify(name)} are refused (see the setting allowed-hosts)`,
      );
    }
    const origin = headers.get("origin");
    if (origin === null || this.#origins.has(origin) || URL.parse(origin)?.host === host) return;
    throw new HttpFault(
      "origin_refused",
      `Requests from the origin ${JSON.stringify(origin)} are refused (see the setting allowed-origins)`,
    );
  }

  #isKnown(name: string): boolean {
    if (name === "" || this.#names.has(name) || name.endsWith(".localhost")) return true;
    return /^\d+(\.\d+){3}$/.test(name) || /^\[[0-9a-f:.]+\]$/.test(name);
  }
}

function nameOf(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, "");
}
