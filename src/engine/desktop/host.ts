import { EngineError } from "../error.ts";
import type { Environment } from "../environment.ts";
import type { ProcessRun, ProcessRunSpec } from "../process/process-run.ts";
import type { RunId } from "../run.ts";
import type { RunTable } from "../runs.ts";
import type { RunUser } from "../user.ts";
import type { ScreenSize } from "./x11/randr.ts";

/** What the desktop needs of the engine it belongs to. */
export interface DesktopHost {
  readonly runs: RunTable;
  readonly user: RunUser | undefined;
  /** A directory of the engine's own, removed with it. */
  readonly scratch: string;
  /** Where recordings are put when nobody says otherwise. */
  readonly workspace: string;
  /** Of a new session. */
  readonly size: ScreenSize;
  /** Where a program is that runs may start. */
  findProgram(name: string): string | undefined;
  /** What a run of the sandbox starts with, before `env` is laid over it. */
  place(id: RunId, request: PlaceRequest): Omit<ProcessRunSpec, "id" | "argv">;
  readonly onNotice: (notice: string, details?: Readonly<Record<string, unknown>>) => void;
}

export interface PlaceRequest {
  readonly cwd?: string | undefined;
  readonly env?: Environment | undefined;
  readonly stdin?: string | undefined;
  readonly keepStdinOpen?: boolean | undefined;
  readonly timeoutMs?: number | undefined;
}

export type Argv = readonly [string, ...string[]];

/** Starts a process that lives as long as the session, or until it is stopped. */
export function startService(host: DesktopHost, argv: Argv, request: PlaceRequest): Promise<ProcessRun> {
  return host.runs.startService((id) => Promise.resolve({ ...host.place(id, request), argv }));
}

/**
 * Runs a tool to its end.
 * @param input What it reads, in bytes.
 * @returns What it printed.
 * @throws EngineError `internal` with its last words when it fails.
 */
export async function runTool(
  host: DesktopHost,
  argv: Argv,
  request: PlaceRequest & { readonly input?: Uint8Array; readonly signal?: AbortSignal | undefined },
): Promise<Uint8Array> {
  const { input, signal, ...place } = request;
  const spec = (id: RunId) => {
    const placed = host.place(id, place);
    return { ...placed, argv, ...(input === undefined ? {} : { stdin: input }) };
  };
  await using run = await host.runs.start((id) => Promise.resolve(spec(id)));
  const leave = () => void run.cancel("client_gone");
  signal?.addEventListener("abort", leave, { once: true });
  if (signal?.aborted === true) leave();
  const { end } = await run.outcome;
  signal?.removeEventListener("abort", leave);
  if (end.cause === "exited" && end.code === 0)
    return (await run.journal.tail("stdout", Number.MAX_SAFE_INTEGER)).bytes;
  const words = new TextDecoder().decode((await run.journal.tail("stderr", 500)).bytes).trim();
  throw new EngineError("internal", `${argv[0]} failed (${end.cause}): ${words}`);
}
