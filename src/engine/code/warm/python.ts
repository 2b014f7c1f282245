import type { PreparedChild } from "../../process/process-run.ts";
import type { Argv } from "../languages.ts";
import type { WarmContext, WarmProgram } from "./interpreters.ts";
import { canStartAhead } from "../../start-environment.ts";
import { changes, WarmPool } from "./pool.ts";
import { preloadsOf } from "./python-imports.ts";
import { PythonServer } from "./python-server.ts";

/** Servers with packages are ended when no program has asked for so long. */
const IDLE_MS = 10 * 60_000;

/**
 * Python interpreters that wait for their program, of two kinds: bare ones, and ones that have loaded the
 * packages that this sandbox's programs import.
 */
export class WarmPython implements AsyncDisposable {
  readonly #bare: WarmPool;
  readonly #loaded: WarmPool;
  readonly #wanted = new Set<string>();

  constructor(context: WarmContext) {
    const { size, spareBytes } = context;
    this.#bare = new WarmPool({ size, spareBytes, open: () => openServer(context, []) });
    this.#loaded = new WarmPool({
      size,
      spareBytes,
      idleMs: IDLE_MS,
      open: () => openServer(context, [...this.#wanted]),
    });
  }

  /** Makes bare interpreters ready. */
  start(): void {
    this.#bare.fill();
  }

  take({ code, argv, cwd, env, limits }: WarmProgram): Promise<PreparedChild | undefined> {
    // The interpreter, `main.py`, the file, and the name it is shown by.
    const [program, , file = "", shown = ""] = argv;
    const preloads = preloadsOf(code);
    const isNew = preloads.some((name) => !this.#wanted.has(name));
    for (const name of preloads) this.#wanted.add(name);
    if (isNew) this.#loaded.renew();
    const openFiles = String(limits.openFiles ?? "");
    return (preloads.length > 0 ? this.#loaded : this.#bare).take(program, env, (start) => [
      ...[file, shown, cwd, openFiles, program],
      ...changes(start, env),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#bare[Symbol.asyncDispose](), this.#loaded[Symbol.asyncDispose]()]);
  }
}

async function openServer(
  context: WarmContext,
  modules: readonly string[],
): Promise<PythonServer | undefined> {
  const place = context.place("python");
  if (place === undefined || !canStartAhead(place.env)) return undefined;
  const { program, env } = place;
  const files = [context.runtime("python/forkserver.py"), context.runtime("python/main.py")];
  const argv: Argv = [program, ...files, ...modules];
  const { containment } = context;
  return PythonServer.start(program, env, {
    ...{ containment, children: "own" },
    start: (descriptors) => context.startService({ argv, env, descriptors }),
  });
}
