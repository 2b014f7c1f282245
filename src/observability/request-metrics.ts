import type { RequestRecord } from "../http/api.ts";
import { Counter, Histogram, type Family } from "./instruments.ts";

const DURATIONS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
/** A client may write anything there, before anybody knows who it is. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Counts requests by the rows of the tables, never by the paths of clients. */
export class RequestMetrics {
  readonly #requests = new Counter("sanderling_http_requests_total", "Requests that have been answered", [
    "api",
    "method",
    "route",
    "status",
  ]);
  readonly #seconds = new Histogram(
    "sanderling_http_request_duration_seconds",
    "Until a request was answered: of a stream until it began; WebSockets are not in it",
    ["api", "method", "route"],
    DURATIONS,
  );

  add({ origin: { api }, method: given, route, status, ms }: RequestRecord): void {
    const method = METHODS.has(given) ? given : "OTHER";
    this.#requests.add({ api, method, route, status: String(status) });
    if (status !== 101) this.#seconds.observe({ api, method, route }, ms / 1000);
  }

  families(): Family[] {
    return [this.#requests.family(), this.#seconds.family()];
  }
}
