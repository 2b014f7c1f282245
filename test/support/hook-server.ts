/** A real HTTP server that keeps what webhooks it gets and answers as it is told. */
export interface ReceivedHook {
  readonly headers: Headers;
  readonly body: string;
  readonly atMs: number;
}

export type HookAnswer = (count: number, request: Request) => Response | Promise<Response>;

export class HookServer implements AsyncDisposable {
  readonly received: ReceivedHook[] = [];
  readonly url: string;
  readonly port: number;
  readonly #server: Bun.Server<undefined>;

  /** @param answer Given how many requests have come, this one included. */
  constructor(answer: HookAnswer = () => new Response("thanks"), port = 0, tls?: Bun.TLSOptions) {
    this.#server = Bun.serve({
      ...(tls ? { tls } : {}),
      hostname: "127.0.0.1",
      port,
      fetch: async (request) => {
        this.received.push({
          headers: request.headers,
          body: await request.text(),
          atMs: performance.now(),
        });
        return answer(this.received.length, request);
      },
    });
    this.port = this.#server.port ?? 0;
    this.url = `http://127.0.0.1:${this.port}/hook`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }
}
