import { layerEnvironment, type Environment } from "../environment.ts";
import { EngineError } from "../error.ts";
import type { RunLimits } from "../process/containment.ts";
import { KernelContext } from "./context.ts";
import type { Kernel } from "./kernel.ts";
import type { KernelKind } from "./kernel-kind.ts";
import type { KernelRun, KernelRunOptions } from "./kernel-run.ts";
import type { KernelSpec } from "./kernelspecs.ts";
import type { KernelPlace } from "./launch.ts";
import type { KernelPool } from "./pool.ts";

export interface ContextsOptions {
  /** Contexts at once, those whose kernel has died included. */
  readonly maxContexts: number;
  readonly queueLength: number;
  readonly interruptGraceMs: number;
  /** After so long without activity a context is deleted; 0: never. */
  readonly contextIdleMs: number;
  readonly run: Omit<KernelRunOptions, "outputBytes">;
  /** The kernel of a language by name or alias. @throws EngineError `invalid`, `unsupported`. */
  readonly kindOf: (language: string) => KernelKind;
  /** The languages that there are kernels of our own choice for, with the kernel on this machine. */
  readonly list: () => { language: string; kind: KernelKind | undefined }[];
  /** The absolute form of a directory that kernels may work in. @throws EngineError `invalid`, `denied`. */
  readonly directory: (cwd: string | undefined) => string;
  /** What every kernel gets, just now. */
  readonly environment: () => Environment;
  /** Told of every run that a context has taken on. */
  readonly onRun: (run: KernelRun) => void;
  /** Makes a copy of a kernel that does nothing just now. @throws EngineError as `copyKernel`. */
  readonly copyKernel: (original: Kernel, place: KernelPlace, signal: AbortSignal) => Promise<Kernel>;
  /** Ended with the contexts, as is what kernels are forked from. */
  readonly pool: KernelPool;
  readonly forks: AsyncDisposable | undefined;
}

export interface ContextRequest {
  readonly language: string;
  readonly cwd?: string | undefined;
  readonly env?: Environment | undefined;
  /** Default: one is made. */
  readonly id?: string | undefined;
  readonly limits?: RunLimits | undefined;
}

/** Every context of the engine, by id. */
export class KernelContexts implements AsyncDisposable {
  readonly #options: ContextsOptions;
  readonly #contexts = new Map<string, KernelContext>();
  readonly #defaults = new Map<string, Promise<KernelContext>>();
  readonly #expiries = new Map<string, Timer>();
  /** Where the kernels of each are. */
  readonly #places = new WeakMap<KernelContext, KernelPlace>();
  #isClosing = false;

  constructor(options: ContextsOptions) {
    this.#options = options;
  }

  /** The languages of contexts, with the kernel of each on this machine, or undefined. */
  languages(): { language: string; kernel: KernelSpec | undefined }[] {
    return this.#options.list().map(({ language, kind }) => ({ language, kernel: kind?.spec }));
  }

  /**
   * Makes a context, and waits until its kernel answers.
   * @throws EngineError `invalid` for an unknown language, directory or variable, `unsupported` when this machine
   * has no kernel for the language, `exists`, `busy` when there are too many, `unavailable`.
   */
  async create(request: ContextRequest): Promise<KernelContext> {
    const kind = this.#options.kindOf(request.language);
    const place = {
      cwd: this.#options.directory(request.cwd),
      env: layerEnvironment(this.#options.environment(), request.env),
      limits: request.limits ?? {},
    };
    const { pool } = this.#options;
    return this.#open(request.id ?? newContextId(), kind, place, (signal) =>
      pool.acquire(kind, place, signal),
    );
  }

  /**
   * Makes a context that is a copy of another, with all its variables, when that one has done what it was asked
   * before. From then on the two have nothing to do with each other.
   * @throws EngineError `unsupported` for a language whose kernels cannot be copied, `conflict` with what of the
   * context's code cannot, such as its threads, `busy` when there are too many contexts or too many runs wait,
   * `gone`, `unavailable`.
   */
  async copy(original: KernelContext): Promise<KernelContext> {
    const { kind } = original;
    const place = this.#places.get(original);
    if (kind.copiesItself !== true || place === undefined)
      throw new EngineError(
        "unsupported",
        `Cannot copy context ${original.id}: only Python contexts of the sandbox's own environment can be copied`,
      );
    const { pool, copyKernel } = this.#options;
    let isCopied = false;
    const acquire = (signal: AbortSignal) => {
      // What is restarted later is a fresh kernel.
      if (isCopied) return pool.acquire(kind, place, signal);
      isCopied = true;
      return original.perform((kernel) => copyKernel(kernel, place, signal), signal);
    };
    return this.#open(newContextId(), kind, place, acquire);
  }

  async #open(
    id: string,
    kind: KernelKind,
    place: KernelPlace,
    acquire: (signal: AbortSignal) => Promise<Kernel>,
  ): Promise<KernelContext> {
    this.#admit(id);
    const context = this.#make(id, kind, place, acquire);
    this.#contexts.set(id, context);
    try {
      await context.open();
      return context;
    } catch (error) {
      this.#forget(id, context);
      throw error;
    }
  }

  /**
   * Takes no new runs and gives those under way `graceMs` to end by themselves before they are cancelled.
   * @param hurry Aborted when there is no time for that.
   */
  async drain(graceMs: number, hurry: AbortSignal): Promise<void> {
    this.#isClosing = true;
    const late = AbortSignal.any([AbortSignal.timeout(graceMs), hurry]);
    await Promise.all([...this.#contexts.values()].map((context) => context.drain(late)));
  }

  /** Kernels that wait for a context. */
  get waiting(): number {
    return this.#options.pool.waiting.length;
  }

  get(id: string): KernelContext | undefined {
    return this.#contexts.get(id);
  }

  /** In the order in which they were made. */
  list(language?: string): KernelContext[] {
    const all = [...this.#contexts.values()];
    return language === undefined ? all : all.filter((context) => context.language === language);
  }

  /** Ends a context and what runs in it; false when there is none of that id. */
  async delete(id: string): Promise<boolean> {
    const context = this.#contexts.get(id);
    if (context === undefined) return false;
    this.#forget(id, context);
    await context[Symbol.asyncDispose]();
    return true;
  }

  /** The one shared context of a language: made at first use, and anew when it has died or was deleted. */
  async default(language: string): Promise<KernelContext> {
    const name = this.#options.kindOf(language).language;
    const known = this.#defaults.get(name);
    const context = await known?.catch(() => undefined);
    if (context && context.state !== "dead" && this.#contexts.get(context.id) === context) return context;
    // Somebody else may have begun to make one while this one was looked at.
    const making = this.#defaults.get(name);
    if (making !== undefined && making !== known) return making;
    if (context) await this.delete(context.id);
    const made = this.create({ language: name });
    this.#defaults.set(name, made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    await Promise.all([...this.#contexts.keys()].map((id) => this.delete(id)));
    const { pool, forks } = this.#options;
    await Promise.all([pool[Symbol.asyncDispose](), forks?.[Symbol.asyncDispose]()]);
  }

  #admit(id: string): void {
    if (this.#isClosing)
      throw new EngineError("unavailable", "Cannot make a context: the daemon is shutting down");
    if (this.#contexts.has(id)) throw new EngineError("exists", `Cannot make context ${id}: there is one`);
    const { maxContexts } = this.#options;
    if (this.#contexts.size >= maxContexts) this.#forgetDead();
    if (this.#contexts.size >= maxContexts)
      throw new EngineError(
        "busy",
        `Cannot make another context: there are ${this.#contexts.size}, which is the limit`,
      );
  }

  #make(
    id: string,
    kind: KernelKind,
    place: KernelPlace,
    acquire: (signal: AbortSignal) => Promise<Kernel>,
  ): KernelContext {
    const context: KernelContext = new KernelContext({
      id,
      kind,
      cwd: place.cwd,
      acquire,
      run: { ...this.#options.run, outputBytes: place.limits.outputBytes },
      queueLength: this.#options.queueLength,
      interruptGraceMs: this.#options.interruptGraceMs,
      onActivity: () => this.#expireLater(context),
      onRun: this.#options.onRun,
    });
    this.#places.set(context, place);
    return context;
  }

  #expireLater(context: KernelContext): void {
    const { contextIdleMs } = this.#options;
    clearTimeout(this.#expiries.get(context.id));
    this.#expiries.delete(context.id);
    if (contextIdleMs === 0 || context.state !== "idle" || this.#contexts.get(context.id) !== context) return;
    const timer = setTimeout(() => void this.delete(context.id), contextIdleMs);
    this.#expiries.set(context.id, timer.unref());
  }

  #forgetDead(): void {
    for (const [id, context] of this.#contexts) if (context.state === "dead") this.#forget(id, context);
  }

  #forget(id: string, context: KernelContext): void {
    if (this.#contexts.get(id) === context) this.#contexts.delete(id);
    clearTimeout(this.#expiries.get(id));
    this.#expiries.delete(id);
  }
}

function newContextId(): string {
  return `ctx_${Bun.randomUUIDv7().replaceAll("-", "")}`;
}
