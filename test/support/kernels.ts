import { mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { EngineOptions } from "../../src/engine/engine.ts";
import type { KernelContext } from "../../src/engine/kernels/context.ts";
import type { ContextRequest, KernelContexts } from "../../src/engine/kernels/contexts.ts";
import type { ExecuteRequest, KernelRun } from "../../src/engine/kernels/kernel-run.ts";
import { listProcesses } from "../../src/engine/process/proc.ts";
import type { Cursor, RunEvent, RunOutcome } from "../../src/engine/run.ts";
import { openEngine, type TestEngine } from "./engine.ts";

/** The product's own Python, which `make test` sets up. */
const PYTHON = join(import.meta.dir, "../../.sanderling/python");

/** An engine with the kernels that the product brings. */
export async function openKernels(
  overrides: Partial<EngineOptions> = {},
): Promise<{ lab: TestEngine; contexts: KernelContexts } & AsyncDisposable> {
  const lab = await openEngine(overrides);
  mkdirSync(lab.dataDirectory, { recursive: true });
  symlinkSync(PYTHON, join(lab.dataDirectory, "python"));
  symlinkSync(join(PYTHON, "../kernels"), join(lab.dataDirectory, "kernels"));
  return { lab, contexts: lab.engine.contexts, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() };
}

export interface Told extends RunOutcome {
  readonly events: readonly RunEvent[];
  readonly stdout: string;
  readonly stderr: string;
}

/** Everything that a run tells, to its end. */
export async function told(starting: KernelRun | Promise<KernelRun>, from?: Cursor): Promise<Told> {
  await using run = await starting;
  const events: RunEvent[] = [];
  for await (const event of run.events(from)) events.push(event);
  const text = (stream: "stdout" | "stderr") =>
    Buffer.concat(
      events.flatMap((event) => (event.type === "output" && event.stream === stream ? [event.bytes] : [])),
    ).toString();
  return { ...(await run.outcome), events, stdout: text("stdout"), stderr: text("stderr") };
}

/** Executes code and gives everything it told. */
export function execute(
  context: KernelContext,
  code: string,
  request: Omit<ExecuteRequest, "code"> = {},
): Promise<Told> {
  return told(context.execute({ code, ...request }));
}

/** The kernels of this test: its child processes without what kernels are forked from. */
export function kernelPids(): number[] {
  const forkServers = forkServerPids();
  return childPids().filter((pid) => !forkServers.includes(pid));
}

/** What kernels are forked from: of one thread, where kernels have many. */
export function forkServerPids(): number[] {
  return childPids().filter((pid) => {
    try {
      const isServer = readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("/forkserver.py\0");
      return isServer && readdirSync(`/proc/${pid}/task`).length === 1;
    } catch {
      return false; // It has just ended.
    }
  });
}

function childPids(): number[] {
  return listProcesses()
    .filter(({ parent, state }) => parent === process.pid && state !== "Z")
    .map(({ pid }) => pid);
}

/** The events of one type, of those that were told. */
export function only<T extends RunEvent["type"]>(
  { events }: Told,
  type: T,
): Extract<RunEvent, { type: T }>[] {
  return events.filter((event): event is Extract<RunEvent, { type: T }> => event.type === type);
}

/** A Python context with an engine of its own. */
export async function openPython(
  request: Omit<ContextRequest, "language"> = {},
  overrides: Partial<EngineOptions> = {},
) {
  const kernels = await openKernels(overrides);
  try {
    return { ...kernels, context: await kernels.contexts.create({ language: "python", ...request }) };
  } catch (error) {
    await kernels[Symbol.asyncDispose]();
    throw error;
  }
}
