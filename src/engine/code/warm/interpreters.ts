import type { Environment } from "../../environment.ts";
import { canLimitLater, type Containment } from "../../process/containment.ts";
import type { PreparedChild, ProcessRun, ProcessRunSpec } from "../../process/process-run.ts";
import type { RunUser } from "../../user.ts";
import type { Argv, LanguageId } from "../languages.ts";
import type { RuntimeFile } from "../runtimes.ts";
import { WarmNode } from "./node.ts";
import { WarmPython } from "./python.ts";

/** What the pools are made with. */
export interface WarmContext {
  /** Interpreters that wait, of each kind; 0: every run starts its own. */
  readonly size: number;
  /** Memory that must be left, in bytes; with less none wait. */
  readonly spareBytes: number;
  readonly containment: Containment;
  readonly user: RunUser | undefined;
  runtime(name: RuntimeFile): string;
  /** The interpreter that a run with the sandbox's variables gets, and those variables. */
  place(language: LanguageId): { readonly program: string; readonly env: Environment } | undefined;
  /** Starts a process that lives on. */
  startService(spec: Pick<ProcessRunSpec, "argv" | "env" | "descriptors">): Promise<ProcessRun>;
}

/** A program as it would be started. */
export interface WarmProgram extends Pick<ProcessRunSpec, "cwd" | "env" | "limits"> {
  readonly language: LanguageId;
  readonly code: string;
  readonly argv: Argv;
  readonly hasInput: boolean;
}

/**
 * Interpreters that have started before their program is known. A program that one of them would not treat
 * exactly as an interpreter of its own gets none and starts cold.
 */
export class WarmInterpreters implements AsyncDisposable {
  readonly #context: WarmContext;
  readonly #python: WarmPython;
  readonly #node: WarmNode;

  constructor(context: WarmContext) {
    this.#context = context;
    this.#python = new WarmPython(context);
    this.#node = new WarmNode(context);
  }

  /** Makes ready, in the background, what the first run is likely to be. */
  start(): void {
    if (this.#context.size > 0) this.#python.start();
  }

  /** An interpreter for this program; undefined when it must start one of its own. */
  async take(program: WarmProgram): Promise<PreparedChild | undefined> {
    const { size, containment } = this.#context;
    if (size === 0 || !canLimitLater(containment.report, program.limits)) return undefined;
    switch (program.language) {
      case "python":
        return this.#python.take(program);
      case "javascript":
      case "typescript":
        return this.#node.take(program);
      case "bash": // Starts as fast as a message is sent.
      case "go": // Compiled programs start cold by nature; what is kept warm is their build (go.ts, java.ts).
      case "java":
        return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#python[Symbol.asyncDispose](), this.#node[Symbol.asyncDispose]()]);
  }
}
