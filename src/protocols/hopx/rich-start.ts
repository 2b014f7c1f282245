import type { CodeRequest } from "../../engine/engine.ts";
import { EngineError } from "../../engine/error.ts";
import type { KernelContext } from "../../engine/kernels/context.ts";
import type { KernelContexts } from "../../engine/kernels/contexts.ts";
import type { KernelRun } from "../../engine/kernels/kernel-run.ts";

/** As `CodeRequest`; any language that this machine has a kernel for, by name or alias. */
export interface RichCode extends Omit<CodeRequest, "language"> {
  readonly language: string;
}

/** There is no kernel that could tell more than text. */
export interface NoKernel {
  /** One sentence for a person. */
  readonly reason: string;
}

/**
 * Runs code in a kernel that nobody has used, which ends with the run.
 * @throws EngineError as `KernelContexts.create`, but for a known language that this machine has no kernel for.
 */
export async function startRich(request: RichCode, contexts: KernelContexts): Promise<KernelRun | NoKernel> {
  const context = await openContext(request, contexts);
  if ("reason" in context) return context;
  const { code, stdin, keepStdinOpen, timeoutMs } = request;
  try {
    const run = await context.execute({ code, stdin, keepStdinOpen, timeoutMs });
    void run.outcome.then(() => contexts.delete(context.id));
    return run;
  } catch (error) {
    await contexts.delete(context.id);
    throw error;
  }
}

async function openContext(
  { language, cwd, env, limits }: RichCode,
  contexts: KernelContexts,
): Promise<KernelContext | NoKernel> {
  try {
    return await contexts.create({ language, cwd, env, limits });
  } catch (error) {
    if (error instanceof EngineError && error.code === "unsupported") return { reason: error.message };
    throw error;
  }
}
