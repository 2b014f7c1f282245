import type { Environment } from "../environment.ts";
import { startsAlike } from "../start-environment.ts";
import type { Kernel } from "./kernel.ts";
import type { KernelKind } from "./kernel-kind.ts";
import { kernelEnvironment, type KernelPlace } from "./launch.ts";

export interface PoolOptions {
  /** Kernels that wait, of each language. */
  readonly size: number;
  /** Memory that must be left, in bytes; with less none wait. */
  readonly spareBytes: number;
  readonly start: (kind: KernelKind, place: KernelPlace, signal: AbortSignal) => Promise<Kernel>;
  /** What kernels may be forked from. */
  readonly forks?:
    | {
        /** Settles when it can be said whether one is forked. */
        ready(kind: KernelKind): Promise<void>;
        /** Lets go of its memory. */
        release(): void;
      }
    | undefined;
  /** Where a kernel waits until it is known where it is to work. */
  readonly place: () => KernelPlace;
  /** Whether somebody waits for the start of something just now. */
  readonly isBusy: () => boolean;
  readonly availableMemory: () => number;
  readonly onNotice: (notice: string, details?: Readonly<Record<string, unknown>>) => void;
}

/** After the last request for a kernel: refilling takes a processor for a second, which nobody shall wait for. */
const REFILL_AFTER_MS = 200;
/** Nothing tells that memory grows short but a look. */
const LOOK_EVERY_MS = 5000;
interface Waiting {
  readonly kernel: Kernel;
  readonly env: Environment;
}

/** What waits of one language. */
interface Shelf {
  readonly kind: KernelKind;
  readonly waiting: Waiting[];
  starting: number;
  refill: Timer | undefined;
}

/**
 * Kernels that have been started ahead, so that a context need not wait for an interpreter to start. The pool
 * begins with the first use of a language, because a kernel that nobody wants costs memory.
 */
export class KernelPool implements AsyncDisposable {
  readonly #options: PoolOptions;
  readonly #shelves = new Map<string, Shelf>();
  readonly #life = new AbortController();
  readonly #pending = new Set<Promise<void>>();
  #watch: Timer | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Kernels that wait just now. */
  get waiting(): Kernel[] {
    return [...this.#shelves.values()].flatMap(({ waiting }) => waiting.map(({ kernel }) => kernel));
  }

  /** A kernel in a place: one that waits, where that can be moved there, or a new one. @throws EngineError */
  async acquire(kind: KernelKind, place: KernelPlace, signal: AbortSignal): Promise<Kernel> {
    const { memoryBytes, cpus, processes, openFiles } = place.limits;
    const isLimited = [memoryBytes, cpus, processes, openFiles].some((limit) => limit !== undefined);
    try {
      const moved = isLimited ? undefined : await this.#take(kind, place);
      return moved ?? (await this.#options.start(kind, place, signal));
    } finally {
      this.fill(kind);
    }
  }

  /** Begins to keep kernels of this kind, as soon as there is time. */
  fill(kind: KernelKind): void {
    if (this.#options.size === 0 || kind.place === undefined || this.#life.signal.aborted) return;
    const shelf = this.#shelf(kind);
    clearTimeout(shelf.refill);
    shelf.refill = setTimeout(() => this.#refill(shelf), REFILL_AFTER_MS).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort();
    clearInterval(this.#watch);
    for (const { refill } of this.#shelves.values()) clearTimeout(refill);
    await Promise.all(this.#pending);
    await this.#empty();
  }

  #shelf(kind: KernelKind): Shelf {
    const known = this.#shelves.get(kind.language);
    if (known?.kind.spec.name === kind.spec.name) return known;
    const shelf = { kind, waiting: [], starting: 0, refill: undefined };
    // Another kernel is installed for the language by now.
    for (const { kernel } of known?.waiting ?? []) void kernel[Symbol.asyncDispose]();
    this.#shelves.set(kind.language, shelf);
    return shelf;
  }

  async #take(kind: KernelKind, { cwd, env }: KernelPlace): Promise<Kernel | undefined> {
    const { waiting } = this.#shelf(kind);
    const at = waiting.findIndex(({ kernel, env: had }) => !kernel.death && startsAlike(had, env));
    const [taken] = at < 0 ? [] : waiting.splice(at, 1);
    if (taken === undefined || kind.place === undefined) return undefined;
    const { kernel } = taken;
    try {
      await kernel.executeSilently(kind.place(cwd, kernelEnvironment(kernel.process.id, env, kind.spec.env)));
      return kernel;
    } catch (cause) {
      this.#options.onNotice("cannot use a kernel that waited; another is started", { cause: String(cause) });
      await kernel[Symbol.asyncDispose]();
      return undefined;
    }
  }

  #refill(shelf: Shelf): void {
    const { size, isBusy } = this.#options;
    if (this.#isShort()) return;
    const alive = shelf.waiting.filter(({ kernel }) => !kernel.death);
    shelf.waiting.splice(0, shelf.waiting.length, ...alive);
    if (shelf.waiting.length + shelf.starting >= size) return;
    if (isBusy()) {
      this.fill(shelf.kind);
      return;
    }
    const adding = this.#add(shelf).finally(() => this.#pending.delete(adding));
    this.#pending.add(adding);
  }

  /** One at a time: more would slow down whatever else the machine does. */
  async #add(shelf: Shelf): Promise<void> {
    shelf.starting++;
    try {
      await this.#options.forks?.ready(shelf.kind);
      const place = this.#options.place();
      const kernel = await this.#options.start(shelf.kind, place, this.#life.signal);
      shelf.waiting.push({ kernel, env: place.env });
      this.#watch ??= setInterval(() => this.#shrink(), LOOK_EVERY_MS).unref();
      this.fill(shelf.kind);
    } catch (cause) {
      // The next request for one tries again and tells its client.
      if (!this.#life.signal.aborted)
        this.#options.onNotice("cannot start a kernel ahead", { cause: String(cause) });
    } finally {
      shelf.starting--;
    }
  }

  #isShort(): boolean {
    return this.#options.availableMemory() < this.#options.spareBytes;
  }

  #shrink(): void {
    if (!this.#isShort()) return;
    this.#options.forks?.release();
    if (this.waiting.length > 0) void this.#empty();
  }

  async #empty(): Promise<void> {
    const all = [...this.#shelves.values()].flatMap(({ waiting }) => waiting.splice(0));
    await Promise.all(all.map(({ kernel }) => kernel[Symbol.asyncDispose]()));
  }
}
