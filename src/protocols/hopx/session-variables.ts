import { layerEnvironment, type Environment } from "../../engine/environment.ts";
import type { KernelContext } from "../../engine/kernels/context.ts";
import type { KernelRun } from "../../engine/kernels/kernel-run.ts";

/**
 * The environment of sessions whose kernels live on while the sandbox's variables change, and of single runs in
 * them. What code itself puts into its environment stays.
 */
export class SessionVariables {
  /** The sandbox's variables as a kernel was last given them. */
  readonly #given = new WeakMap<KernelContext, { readonly restarts: number; readonly env: Environment }>();

  /** What a copy of a session has, which it gets when the session has done all that it was asked before. */
  copied(session: KernelContext): (copy: KernelContext) => void {
    const given = this.#given.get(session);
    const isFresh = given?.restarts !== session.restarts;
    return (copy) => {
      if (!isFresh) this.#given.set(copy, { restarts: copy.restarts, env: given.env });
    };
  }

  /** Starts a run between silent ones that give it variables and take them back; nothing comes in between. */
  async during(
    session: KernelContext,
    sandbox: Environment,
    own: Environment,
    start: () => Promise<KernelRun>,
  ): Promise<KernelRun> {
    layerEnvironment({}, own);
    const given = this.#given.get(session);
    const isFresh = given?.restarts !== session.restarts;
    const changes = isFresh ? {} : difference(given.env, sandbox);
    this.#given.set(session, { restarts: session.restarts, env: sandbox });
    // Asked for in one turn, so that they follow each other.
    const runs = [
      ...(Object.keys(changes).length > 0 ? [silently(session, assignment(changes))] : []),
      ...(Object.keys(own).length > 0 ? [silently(session, borrowing(own))] : []),
    ];
    const run = start();
    if (Object.keys(own).length > 0) runs.push(silently(session, RETURNING));
    void Promise.allSettled(runs);
    return run;
  }
}

/** Those of every session of this process. */
export const sessionVariables = new SessionVariables();

async function silently(session: KernelContext, code: string): Promise<void> {
  const run = await session.execute({ code, silent: true });
  await run.outcome;
  await run[Symbol.asyncDispose]();
}

function difference(before: Environment, now: Environment): Record<string, string | null> {
  const changed = Object.entries(now).filter(([name, value]) => before[name] !== value);
  const gone = Object.keys(before).filter((name) => !(name in now));
  return { ...Object.fromEntries(changed), ...Object.fromEntries(gone.map((name) => [name, null])) };
}

const ASSIGN = `
for name, value in values.items():
    if value is None: os.environ.pop(name, None)
    else: os.environ[name] = value
`;

function assignment(values: Readonly<Record<string, string | null>>): string {
  return program(`import json, os\nvalues = json.loads(text)\n${ASSIGN}`, JSON.stringify(values));
}

function borrowing(values: Environment): string {
  const keep = "sys._sanderling_borrowed = {name: os.environ.get(name) for name in values}";
  return program(
    `import json, os, sys\nvalues = json.loads(text)\n${keep}\n${ASSIGN}`,
    JSON.stringify(values),
  );
}

const RETURNING = program(
  `import os, sys\nvalues = sys.__dict__.pop("_sanderling_borrowed", {})\n${ASSIGN}`,
  "",
);

/** Code with names of its own; data goes as an encoded literal. */
function program(code: string, text: string): string {
  const decoded = (value: string) =>
    `__import__("base64").b64decode("${Buffer.from(value).toString("base64")}").decode()`;
  return `exec(${decoded(code)}, {"text": ${decoded(text)}})`;
}
