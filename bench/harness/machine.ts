import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { VERSION } from "../../src/version.ts";
import { PYTHON } from "./stage.ts";

const ROOT = join(import.meta.dir, "../..");

/** Where and with what a run was made. */
export interface Machine {
  readonly cores: number;
  readonly processor: string;
  /** 10^9 bytes. */
  readonly memoryGB: number;
  readonly kernel: string;
  /** Whether the scheduler shares the processors out by session (sched(7), autogroup). */
  readonly isAutogrouped: boolean;
  readonly versions: Readonly<Record<string, string>>;
  /** With a plus when files differ from it. */
  readonly commit: string;
  /** Of the last minute, before anything was measured: what others do with the machine. */
  readonly loadAverage: number;
}

export async function lookAtMachine(): Promise<Machine> {
  const [python, node, go, commit, changes] = await Promise.all([
    said(PYTHON, "--version"),
    said("node", "--version"),
    said("go", "env", "GOVERSION"),
    said("git", "-C", ROOT, "rev-parse", "--short", "HEAD"),
    said("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no"),
  ]);
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model ?? "unknown",
    memoryGB: totalmem() / 1e9,
    kernel: `Linux ${release()}`,
    isAutogrouped: isAutogrouped(),
    versions: {
      Sanderling: VERSION,
      Bun: Bun.version,
      Python: python.replace("Python ", ""),
      "Node.js": node,
      Go: go.replace("go", ""),
    },
    commit: commit + (changes === "" ? "" : "+"),
    loadAverage: loadavg()[0] ?? Number.NaN,
  };
}

function isAutogrouped(): boolean {
  try {
    return readFileSync("/proc/sys/kernel/sched_autogroup_enabled", "utf8").trim() === "1";
  } catch {
    return false; // A kernel without the feature.
  }
}

/** What a program prints; "none" when it is not there. */
async function said(...argv: [string, ...string[]]): Promise<string> {
  if (Bun.which(argv[0]) === null) return "none";
  const child = Bun.spawn(argv, { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
  return (await new Response(child.stdout).text()).trim();
}
