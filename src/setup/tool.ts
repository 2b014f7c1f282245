import type { Environment } from "../engine/environment.ts";
import type { RunUser } from "../engine/user.ts";

export interface ToolOptions {
  readonly env: Environment;
  /** Who it runs as; absent: this process's own user. Only root may name another. */
  readonly user?: RunUser | undefined;
  /** `terminal`: the tool has our own stdout and stderr. `captured`: its output is in the result. */
  readonly output: "terminal" | "captured";
  /** The tool and its children are ended after so long; for captured tools only. */
  readonly deadlineMs?: number;
}

/** How a tool of the set-up ended; `succeeded` means exit code 0. */
export interface ToolResult {
  readonly succeeded: boolean;
  readonly stdout: string;
  readonly stderr: string;
  /** For people, for example "exit code 1" or "no answer within 5 s". */
  readonly ending: string;
}

/** No tool of the set-up says more than this in earnest. */
const MOST_OUTPUT_BYTES = 4 * 2 ** 20;

/**
 * Runs a program of the set-up from the root directory, so that nothing of the current one is loaded.
 * Never rejects: what cannot be started has failed. Runs are started by the engine, never by this.
 */
export async function runTool(argv: readonly string[], options: ToolOptions): Promise<ToolResult> {
  try {
    return options.output === "terminal" ? await runInTerminal(argv, options) : await capture(argv, options);
  } catch (error) {
    const ending = error instanceof Error ? error.message : String(error);
    return { succeeded: false, stdout: "", stderr: "", ending };
  }
}

/** In our own process group, so that Ctrl-C reaches the tool as well. */
async function runInTerminal(argv: readonly string[], options: ToolOptions): Promise<ToolResult> {
  const child = Bun.spawn([...argv], {
    ...place(options),
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  const code = await child.exited;
  return { succeeded: code === 0, stdout: "", stderr: "", ending: `exit code ${code}` };
}

async function capture(argv: readonly string[], options: ToolOptions): Promise<ToolResult> {
  const child = Bun.spawn([...argv], {
    ...place(options),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
    maxBuffer: MOST_OUTPUT_BYTES,
    killSignal: "SIGKILL",
  });
  const reading = Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const read = await before(options.deadlineMs, reading);
  if (read === "late") {
    endGroup(child.pid);
    const ending = `no answer within ${(options.deadlineMs ?? 0) / 1000} s`;
    return { succeeded: false, stdout: "", stderr: "", ending };
  }
  const [stdout, stderr, code] = read;
  return { succeeded: code === 0, stdout, stderr, ending: `exit code ${code}` };
}

/** A child of the tool that left its group may hold the output open: the deadline ends the waiting even so. */
async function before<T>(deadlineMs: number | undefined, work: Promise<T>): Promise<T | "late"> {
  if (deadlineMs === undefined) return work;
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(() => late.resolve("late"), deadlineMs);
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}

function place({ env, user }: ToolOptions) {
  return { cwd: "/", env: { ...env }, ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }) };
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The whole group has ended by itself in this moment.
  }
}
