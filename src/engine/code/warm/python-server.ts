import { statSync } from "node:fs";
import type { Environment } from "../../environment.ts";
import { ForkServer, type ForkServerOptions } from "../../process/fork-server.ts";
import type { WaitingChild } from "../../process/waiting-child.ts";
import type { WarmSource } from "./pool.ts";

/** A fork server with what it depends on: the interpreter, its environment, and the packages as they were. */
export class PythonServer implements WarmSource {
  readonly isQuick = true;
  readonly #server: ForkServer;
  readonly #places: readonly string[];
  readonly #state: string;

  private constructor(
    server: ForkServer,
    readonly program: string,
    readonly env: Environment,
  ) {
    this.#server = server;
    this.#places = [program, ...Buffer.from(server.facts, "hex").toString().split(":")];
    this.#state = stateOf(this.#places);
  }

  /** @returns Undefined when it ended before it was ready. */
  static async start(
    program: string,
    env: Environment,
    options: ForkServerOptions,
  ): Promise<PythonServer | undefined> {
    const server = await ForkServer.start(options);
    return server && new PythonServer(server, program, env);
  }

  get hasEnded(): boolean {
    return this.#server.hasEnded;
  }

  /** Whether no package was added, removed or replaced since it loaded its own. */
  isFresh(): boolean {
    return stateOf(this.#places) === this.#state;
  }

  make(): Promise<WaitingChild | undefined> {
    return this.#server.fork();
  }

  retire(): Promise<void> {
    return this.#server.retire();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}

function stateOf(paths: readonly string[]): string {
  return paths.map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0).join();
}
