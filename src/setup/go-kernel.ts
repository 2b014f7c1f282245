import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import goMain from "../../runtimes/kernel/go/main.go" with { type: "text" };
import goMod from "../../runtimes/kernel/go/go.mod" with { type: "text" };
import goSplit from "../../runtimes/kernel/go/split.go" with { type: "text" };
import goSum from "../../runtimes/kernel/go/go.sum" with { type: "text" };
import { ownPython } from "../config/directories.ts";
import { goKernel } from "../engine/kernels/kernel-languages.ts";
import { runEnvironment, type SetupContext } from "./context.ts";
import { removeTree } from "./ownership.ts";
import { runTool } from "./tool.ts";

const SOURCES = { "main.go": goMain, "split.go": goSplit, "go.mod": goMod, "go.sum": goSum };

/**
 * Builds the Go kernel's interpreter, unless the one that is there was built from these sources. Gives
 * what went wrong, or undefined.
 */
export async function buildGoKernel(go: string, context: SetupContext): Promise<string | undefined> {
  const kernel = goKernel(ownPython(context.dataDirectory));
  const stamp = `${kernel}.key`;
  const key = createHash("sha256").update(JSON.stringify(SOURCES)).digest("hex");
  if (existsSync(kernel) && existsSync(stamp) && readFileSync(stamp, "utf8") === key) return undefined;
  context.output.print("==> go build (the interpreter that Go contexts run in)");
  const sources = await mkdtemp(join(tmpdir(), "sanderling-go-kernel-"));
  try {
    for (const [name, text] of Object.entries(SOURCES)) writeFileSync(join(sources, name), text);
    const target = join(sources, "gokernel");
    const built = await runTool(
      [go, "build", "-C", sources, "-trimpath", "-ldflags=-s -w", "-o", target, "."],
      {
        env: { ...runEnvironment({ ...context, user: undefined }), GOFLAGS: "-mod=mod" },
        output: context.output.isTerminal ? "terminal" : "captured",
      },
    );
    if (!built.succeeded)
      return `cannot build the Go kernel: ${built.ending} ${built.stderr.slice(-500)}`.trim();
    install(target, kernel);
    writeFileSync(stamp, key);
    return undefined;
  } finally {
    await removeTree(sources);
  }
}

/** In one step: a daemon may be starting it. */
function install(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
  const beside = `${to}.${process.pid}`;
  writeFileSync(beside, readFileSync(from));
  chmodSync(beside, 0o755);
  renameSync(beside, to);
}
