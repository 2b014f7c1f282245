/** One port that answers requests. */
export interface Listener {
  /** For example `http://127.0.0.1:7777`. */
  readonly url: string;
  readonly port: number;
  /** Takes no more connections and waits for the open requests to be answered. */
  drain(): Promise<void>;
  /** Ends open connections too. */
  close(): Promise<void>;
}

/**
 * Opens a port.
 * @param port 0 takes a free one.
 * @throws Error that names the address when it cannot be listened on.
 */
export function listen(
  hostname: string,
  port: number,
  fetch: (request: Request) => Response | Promise<Response>,
): Listener {
  try {
    const server = Bun.serve({
      hostname,
      port,
      fetch,
      // A run may be silent for as long as its timeout allows; the runtime would hang up after ten seconds.
      idleTimeout: 0,
      // Checked while reading, so that the refusal has the API's own shape.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    });
    const shown = hostname.includes(":") ? `[${hostname}]` : hostname;
    return {
      url: `http://${shown}:${server.port ?? port}`,
      port: server.port ?? port,
      drain: () => server.stop(false),
      close: () => server.stop(true),
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot listen on ${hostname} port ${port}: ${reason}`, { cause: error });
  }
}
