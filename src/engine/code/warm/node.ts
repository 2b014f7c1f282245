import { statSync } from "node:fs";
import type { Environment } from "../../environment.ts";
import type { PreparedChild } from "../../process/process-run.ts";
import { prestart } from "../../process/prestarted.ts";
import type { WaitingChild } from "../../process/waiting-child.ts";
import type { Argv } from "../languages.ts";
import type { WarmContext, WarmProgram } from "./interpreters.ts";
import { canStartAhead } from "../../start-environment.ts";
import { changes, WarmPool, type WarmSource } from "./pool.ts";

/** Node.js interpreters that wait, for JavaScript and TypeScript alike; each is used once. */
export class WarmNode implements AsyncDisposable {
  readonly #pool: WarmPool;

  constructor(context: WarmContext) {
    const { size, spareBytes } = context;
    this.#pool = new WarmPool({ size, spareBytes, open: () => Promise.resolve(openSource(context)) });
  }

  /** Node.js has no way to replace its stdin or its limits once it runs. */
  async take({ argv, cwd, env, limits, hasInput }: WarmProgram): Promise<PreparedChild | undefined> {
    if (hasInput || limits.openFiles !== undefined) return undefined;
    const [program, , file = "", shown = ""] = argv;
    return this.#pool.take(program, env, (start) => [file, shown, cwd, ...changes(start, env)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }
}

function openSource(context: WarmContext): NodeSource | undefined {
  const place = context.place("javascript");
  return place !== undefined && canStartAhead(place.env)
    ? new NodeSource(context, place.program, place.env)
    : undefined;
}

class NodeSource implements WarmSource {
  readonly isQuick = false;
  readonly hasEnded = false;
  readonly #context: WarmContext;
  readonly #changed: number;

  constructor(
    context: WarmContext,
    readonly program: string,
    readonly env: Environment,
  ) {
    this.#context = context;
    this.#changed = changeTime(program);
  }

  isFresh(): boolean {
    return changeTime(this.program) === this.#changed;
  }

  make(): Promise<WaitingChild> {
    const argv: Argv = [this.program, this.#context.runtime("node/main.cjs"), "--wait"];
    const { containment, user } = this.#context;
    // Promised, so that a machine that cannot start one rejects as a fork server does.
    return Promise.resolve().then(() => prestart(containment, { argv, env: this.env, cwd: "/", user }));
  }

  /** Each that it has started is a process of its own. */
  retire(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

function changeTime(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
