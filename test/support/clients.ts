import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

/** A Python with the vendors' client libraries; `make test` makes it (scripts/test.ts). */
export const CLIENT_PYTHON = join(ROOT, ".sanderling/test-clients/bin/python");

export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of the repository to its end. */
export async function runProgram(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ProgramResult> {
  const child = Bun.spawn([...argv], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, stdout, stderr };
}
