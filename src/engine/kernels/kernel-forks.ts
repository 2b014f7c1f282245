import type { Environment } from "../environment.ts";
import { changes, WarmPool } from "../code/warm/pool.ts";
import { PythonServer } from "../code/warm/python-server.ts";
import { canLimitLater, type Containment } from "../process/containment.ts";
import type { PreparedChild } from "../process/process-run.ts";
import type { RunTable } from "../runs.ts";
import { canStartAhead, startsAlike } from "../start-environment.ts";
import type { RunUser } from "../user.ts";
import type { KernelKind } from "./kernel-kind.ts";
import type { KernelPlace } from "./launch.ts";

/** With no demand for so long the fork server ends; it holds some 60 MB. */
const IDLE_MS = 10 * 60_000;

export interface KernelForksOptions {
  readonly containment: Containment;
  readonly runs: RunTable;
  readonly user: RunUser | undefined;
  /** Memory that must be left, in bytes; with less there is no fork server. */
  readonly spareBytes: number;
  /** Where and with what a kernel of nobody would be started. */
  readonly place: () => KernelPlace;
}

/**
 * Kernels forked from a process that has loaded what they load. What they are forked from need not live on: they
 * are children of the daemon. A kernel that would not be the same as one started for its place gets none.
 */
export class KernelForks implements AsyncDisposable {
  readonly #options: KernelForksOptions;
  readonly #pool: WarmPool;
  readonly #life = new AbortController();
  #kind: KernelKind | undefined;
  /** Of the fork server. */
  #env: Environment | undefined;

  constructor(options: KernelForksOptions) {
    this.#options = options;
    const { spareBytes } = options;
    this.#pool = new WarmPool({ size: 0, spareBytes, idleMs: IDLE_MS, open: () => this.#open() });
  }

  /** Settles when kernels of this kind can be forked, or it is known that they cannot. */
  async ready(kind: KernelKind): Promise<void> {
    if (kind.forkServer === undefined) return;
    this.#serve(kind);
    // The sandbox has got variables since that are read when an interpreter starts.
    if (this.#env && !startsAlike(this.#env, this.#environment())) this.#pool.renew();
    await this.#pool.filled();
  }

  /** A process that becomes the kernel of a connection file; undefined when one must be started. */
  async take(
    kind: KernelKind,
    connectionFile: string,
    env: Environment,
    { cwd, limits }: KernelPlace,
  ): Promise<PreparedChild | undefined> {
    const [program] = kind.forkServer ?? [];
    if (program === undefined || !canLimitLater(this.#options.containment.report, limits)) return undefined;
    this.#serve(kind);
    return this.#pool.take(program, env, (start) => [
      ...["-f", connectionFile, cwd, String(limits.openFiles ?? ""), program],
      ...changes(start, env),
    ]);
  }

  /** Ends what kernels are forked from, until they are needed again. */
  release(): void {
    this.#pool.renew();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that is still loading need not be waited for.
    this.#life.abort();
    await this.#pool[Symbol.asyncDispose]();
  }

  #serve(kind: KernelKind): void {
    if (this.#kind && !Bun.deepEquals(this.#kind.forkServer, kind.forkServer)) this.#pool.renew();
    this.#kind = kind;
  }

  #environment(): Environment {
    return { ...this.#options.place().env, ...this.#kind?.spec.env };
  }

  async #open(): Promise<PythonServer | undefined> {
    const argv = this.#kind?.forkServer;
    const { runs, containment, user, place } = this.#options;
    const env = this.#environment();
    if (argv === undefined || !canStartAhead(env)) return undefined;
    this.#env = env;
    return PythonServer.start(argv[0], env, {
      ...{ containment, children: "adopted" },
      start: async (descriptors) => {
        const spec = { ...place(), argv, env, descriptors, user };
        const run = await runs.startService(() => Promise.resolve(spec));
        this.#life.signal.addEventListener("abort", () => void run.cancel("requested"), { once: true });
        return run;
      },
    });
  }
}
